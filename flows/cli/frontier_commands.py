"""`hallmark frontier`: candidates trained and measured, one chosen on validation rows."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from flows.engine.checkout import find_root

if TYPE_CHECKING:
    from flows.frontier.result import Frontier

EXIT_NONE_PASSES = 3
EXIT_INTERRUPTED = {"SIGINT": 130, "SIGTERM": 143}


@click.command()
@click.argument("project")
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="S",
    help="Seconds for training and measuring; a point that would not end in time is not begun.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Points side by side, one core each; else the cores, at most 4.",
)
@click.option(
    "--points",
    "source",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Other candidates than the usual ones: YAML, see below.",
)
@click.option(
    "--quality",
    metavar="MEASURE",
    help="What to have most of; else what calibrate maximises.",
)
@click.option("--write", is_flag=True, help="Write the chosen settings into project.yaml.")
@click.option(
    "--flow", "driver", flag_value="flow", help="With Prefect; starts a server if none answers."
)
@click.option("--engine", "driver", flag_value="engine", help="Without Prefect.")
def frontier(
    project: str,
    budget_s: float,
    jobs: int | None,
    source: Path | None,
    quality: str | None,
    write: bool,
    driver: Literal["flow", "engine"] | None,
) -> None:
    """Train mitigations side by side; draw quality against the worst gap; choose one.

    Each point is the project under other settings, built up to calibrate in a git worktree of its
    own (your edits included) and measured on validation rows. The test part stays closed. What was
    built before comes from DVC's cache, and building the chosen point afterwards does, too.

    Chosen is, among the points that would pass every rule of the gate on validation rows, the one
    of the best quality, and of those that these rows cannot tell from it the one that keeps
    furthest from the limits. Ctrl-C keeps what is measured; the same command goes on from there.

    \b
    Examples:
      hallmark frontier adult                     the usual candidates, ten minutes
      hallmark frontier adult --budget 120        the most informative of them
      hallmark frontier adult --points mine.yaml  others
      hallmark frontier adult --write             and write the chosen settings
      hallmark build adult                        then: the gate opens the test part
    \b
    A file of points sets keys of project.yaml, over the project without mitigation:
      points:
        - name: penalty 0.5
          family: penalty
          set: {train.mitigation.strength: 0.5}
        - name: reweigh by sex
          family: reweigh
          set: {balance.method: reweigh, balance.columns: [sex]}
          trainings: 1       # about how many plain trainings it takes
    \b
    Files: .local/frontier/PROJECT/frontier.html and frontier.json.
    Exit codes: 0 one was chosen (or the gate has no rule), 3 no point would pass, 2 bad input,
    130 Ctrl-C.
    """
    from flows.cli.frontier_views import view_for_stdout
    from flows.frontier.drive import drive, wish_of

    root = find_root(Path.cwd())
    wish = wish_of(root, project, source, quality, budget_s, jobs)
    view = view_for_stdout()
    try:
        drawn = drive(wish, view, driver)
    finally:
        view.close()
    _print(root, drawn.frontier, drawn.page)
    if write:
        _write(root, drawn.frontier)
    for line in drawn.lines:
        click.echo(line)
    interrupted = drawn.frontier.traced.interrupted
    if interrupted:
        sys.exit(EXIT_INTERRUPTED.get(interrupted, 130))
    has_rules = any(point.rules for point in drawn.frontier.measured)
    sys.exit(EXIT_NONE_PASSES if has_rules and drawn.frontier.choice.chosen is None else 0)


def _print(root: Path, found: "Frontier", page: Path) -> None:
    from rich.console import Console

    from flows.cli.frontier_views import closing, table_of
    from pipeline.core.paths import local_state

    wide = None if sys.stdout.isatty() else 120
    console = Console(highlight=False, soft_wrap=True, width=wide)
    console.print(table_of(found))
    main = local_state(root).parent
    for line in closing(found, lambda name: str((page.parent / name).relative_to(main))):
        click.echo(line)
    chosen = found.choice.chosen
    if chosen is not None:
        settings = found.chosen_assignments or ()
        click.echo(f"chosen: {chosen.name}")
        if not settings:
            click.echo("  project.yaml has these settings already")
        for assignment in settings:
            click.echo(f"  {assignment}")


def _write(root: Path, found: "Frontier") -> None:
    from flows.frontier.drive import write_choice
    from flows.settings.project_file import project_file

    if found.choice.chosen is None:
        click.echo("nothing written: no point was chosen")
        return
    source = project_file(found.project)
    for change in write_choice(root, found):
        click.echo(f"{source}: {change}")
    before = ""
    if found.num_evaluations:
        times = "once" if found.num_evaluations == 1 else f"{found.num_evaluations} times"
        before = f" (on this machine it was opened {times} before)"
    click.echo(
        f"next: `hallmark build {found.project}` opens the test part for this choice{before}"
    )
