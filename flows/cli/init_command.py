"""`hallmark init`: from a file that nobody has described to a project that builds."""

from pathlib import Path

import click

from flows.engine.checkout import find_root

MODALITY = "tabular"


@click.command()
@click.argument("source", metavar="FILE")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--positive", metavar="VALUE", help="Of two classes, the one to look for.")
@click.option("--sensitive", metavar="A,B", help="The columns whose groups are compared.")
@click.option("--no-sensitive", metavar="REASON", help="Why there is none; the card shows it.")
@click.option("--drop", metavar="A,B", help="Columns to leave out before limits are found.")
@click.option("--name", help="Of the project; else made of the file's name.")
@click.option("--query", metavar="SQL", help="FILE is a database's URL: what to ask it.")
@click.option(
    "--task",
    type=click.Choice(["binary", "multiclass", "regression"]),
    help="What is predicted, where it is not what the target looks like.",
)
@click.option("--dry-run", is_flag=True, help="Show everything and write nothing.")
@click.option("--force", is_flag=True, help="Write anew what people have edited meanwhile.")
def init(
    source: str,
    target: str,
    positive: str | None,
    sensitive: str | None,
    no_sensitive: str | None,
    drop: str | None,
    name: str | None,
    query: str | None,
    task: str | None,
    dry_run: bool,
    force: bool,
) -> None:
    """Make a project of a file: what its columns are for, a contract, gates. Then it builds.

    FILE is csv (any separator and encoding), parquet or Excel; or, with --query, the URL of a
    database. It is copied to data/NAME/raw/ and kept by DVC. What is proposed stands, with its
    reasons, in data/NAME/project.yaml and contract.json: a person looks at them and decides.

    \b
    Examples:
      hallmark init people.csv --target income --positive ">50K" --sensitive sex,race
      hallmark init wines.csv --target quality --no-sensitive "wines, no people"
      hallmark init credit.xlsx --target default --name credit --dry-run
      hallmark init sqlite:///shop.db --query "SELECT * FROM orders" --target returned
    \b
    The same call again finds nothing to do. What people have edited is never overwritten without
    --force; --dry-run then shows the difference.
    \b
    Without --sensitive and --no-sensitive the gate says that there is not enough evidence about
    groups of people: a build is then refused until a person has said one of both.
    \b
    Exit codes: 0 written, or nothing to do; 2 bad input, with what to change.
    """
    from flows.init.describe import described, texts_of
    from flows.init.files import new_files, write_project
    from flows.init.params_file import params_with
    from flows.init.record import is_settled, standing
    from flows.init.request import wanted
    from flows.init.screen import show, show_files, telling
    from flows.init.source import local_file, safe_name
    from pipeline.onboarding.reading.deliveries import digest_of

    root = find_root(Path.cwd())
    asked = wanted(
        source,
        target,
        name=name,
        positive=positive,
        sensitive=sensitive,
        no_sensitive=no_sensitive,
        drop=drop,
        query=query,
        task=task,
    )
    params = params_with(root, asked.name, MODALITY)
    there = standing(root, asked.name)
    with telling() as told, local_file(asked, told) as file:
        sha256 = digest_of(file)
        if not dry_run and is_settled(there, asked, sha256, force):
            click.echo(
                f"{asked.name}: nothing to do, data/{asked.name} was made of this file and with "
                "these arguments"
            )
            return
        file_name = safe_name(file.name)
        found = described(asked, file, file_name, told)
        files = new_files(asked, file_name, sha256, texts_of(found))
        if not dry_run:
            told("putting the raw file under DVC")
            write_project(root, asked.name, file, file_name, files, params)
    show(found, is_written=not dry_run)
    if dry_run:
        show_files(root, asked.name, files, params)
