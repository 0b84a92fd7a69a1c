"""`hallmark cost`: of one project, or of everything on record, as text, JSON or a page."""

import json
from pathlib import Path

import click

from flows.engine.checkout import find_root


@click.command()
@click.argument("project", required=False)
@click.option("--all", "everything", is_flag=True, help="All projects, builds and stages, summed.")
@click.option("--json", "as_json", is_flag=True, help="With --all: print the sums as JSON.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --all: write a page with plots.",
)
def cost(project: str | None, everything: bool, as_json: bool, page: Path | None) -> None:
    """What the last build cost by stage, its training beside the forecast, and the sum of all.

    \b
    Examples:
      hallmark cost adult
      hallmark cost --all
      hallmark cost --all --json
      hallmark cost --all --html costs.html
      hallmark cost --all --html costs.html --json > costs.json
    """
    from pipeline.core.settings.project import known_project

    if everything == bool(project):
        raise click.UsageError("expected a project or --all, and not both")
    if (as_json or page) and not everything:
        raise click.UsageError("--json and --html belong to --all")
    root = find_root(Path.cwd())
    if project:
        from flows.costs.cost_table import print_costs

        known_project(root, project)
        print_costs(root, project)
        return
    if page:
        from flows.costs.cost_page import write

        click.echo(f"costs: {write(root, page)}", err=as_json)
        if not as_json:
            return
    from flows.costs.all_costs import all_costs
    from flows.costs.cost_table import print_all

    found = all_costs(root)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        print_all(found)
