"""`hallmark refresh`: a new delivery in the place of the raw file."""

from pathlib import Path

import click


@click.command()
@click.argument("project")
@click.argument("delivered", required=False, metavar="[FILE|URL]")
@click.option("--query", metavar="SQL", help="What to select from the database at URL.")
def refresh(project: str, delivered: str | None, query: str | None) -> None:
    """Put a new delivery in the place of PROJECT's raw file, and under DVC.

    It must be one that `ingest` can read; nothing is changed otherwise. The same bytes again make
    nothing run. Without FILE, what lies in the raw folder is taken as it is.

    \b
    Examples:
      hallmark contract adult --diff new.csv      first: what the delivery would break
      hallmark refresh adult new.csv
      hallmark refresh adult https://example.org/people.csv
      hallmark refresh loans postgresql://reader@db/bank --query "SELECT * FROM loans"
    \b
    The password of a database comes from PGPASSWORD or the URL, and is written nowhere.
    """
    from flows.engine.checkout import find_root
    from flows.init.refresh import refresh as take

    done = take(find_root(Path.cwd()), project, delivered, query)
    click.echo(f"{done.source}: {done.num_rows:,} rows, {done.num_bytes:,} bytes")
    if done.is_same:
        click.echo("the same bytes as before: nothing that follows runs again")
        return
    click.echo(f"`hallmark build {project}` runs what depends on it")
    click.echo(f"`git checkout {done.pointer} && dvc checkout {done.pointer}` undoes it")
