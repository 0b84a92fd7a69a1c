"""The command line: `hallmark build`, `why`, `cost`, and one command per stage.

Everything heavy is imported by the command that needs it; `hallmark --help` loads none.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from flows.cli.contract_commands import contract
from flows.cli.cost_commands import cost
from flows.cli.frontier_commands import frontier
from flows.cli.init_command import init
from flows.cli.override_commands import override
from flows.cli.promotion_commands import COMMANDS as PROMOTION_COMMANDS
from flows.cli.prune_commands import prune
from flows.cli.refresh_commands import refresh
from flows.cli.serve_commands import serve
from flows.cli.settings_commands import settings
from flows.cli.stack_commands import down, status, up
from flows.cli.stage_commands import stage_commands
from flows.engine.checkout import find_root
from flows.orchestration.leave import end
from pipeline.core.errors import PipelineError
from pipeline.core.paths import READING_ORDER
from pipeline.core.run.failures import DEBUG, debugging
from pipeline.core.run.output import enduring, when_unread
from pipeline.core.run.signals import end_in_words_when_out_of_time

EXIT_BUG = 1
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Grouped(click.Group):
    """Lists the stages under a heading of their own, in reading order."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        stages = [name for name in READING_ORDER if name in names]
        others = [name for name in names if name not in stages]
        for heading, listed in (("Commands", others), ("Single stages", stages)):
            with formatter.section(heading):
                limit = formatter.width - 6 - max(map(len, names))
                rows = [(n, self.commands[n].get_short_help_str(limit)) for n in listed]
                formatter.write_dl(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click hands it over
        return list(self.commands)


@click.group(cls=Grouped, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="hallmark")
def cli(debug: bool) -> None:
    """From a data file to a served model that carries proof of how it was made.

    \b
    A project of your own file, a build, then a change of one parameter:
      hallmark init people.csv --target income --sensitive sex,race
      hallmark build adult
      hallmark build adult --set train.max_epochs=40
      hallmark why adult
    """
    del debug  # read in main()


@cli.command()
@click.argument("project")
@click.argument("target", required=False)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="STAGE.KEY=VALUE",
    help="Write a value into data/PROJECT/project.yaml first; may be given several times.",
)
@click.option("--from", "rerun", metavar="STAGE", help="Run this stage anew, even if it is fresh.")
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="End everything after so many seconds.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Stages side by side; else the cores."
)
@click.option(
    "--flow", "driver", flag_value="flow", help="With Prefect; starts a server if none answers."
)
@click.option("--engine", "driver", flag_value="engine", help="Without Prefect.")
def build(
    project: str,
    target: str | None,
    assignments: tuple[str, ...],
    rerun: str | None,
    deadline_s: float | None,
    jobs: int | None,
    driver: Literal["flow", "engine"] | None,
) -> None:
    """Run what is stale, up to TARGET or all, and say what the gate decided.

    A stage runs again only when its code, data, parameters or packages changed; what follows it
    runs only when its output has other bytes.

    \b
    Examples:
      hallmark build adult                              all of it
      hallmark build adult train                        up to training
      hallmark build adult --set train.max_epochs=40    with another parameter
      hallmark build adult --from train                 training anew
      hallmark build adult --flow                       as a Prefect flow, seen on its pages
    \b
    Without --flow and --engine the Prefect flow runs when a Prefect server answers.
    A reader of the output that ends first, as `| head -1`, ends no build.

    \b
    Exit codes:
      0    passed
      1    internal error
      2    bad input, or the machine: a full disk, too little memory, a missing right, a limit
      3    refused by the gate or in the rehearsal
      124  the deadline passed
      130  interrupted by Ctrl-C
      143  ended by SIGTERM
      128+N  signal N ended a stage: 134 SIGABRT, 137 SIGKILL (often too little memory),
             139 SIGSEGV, 152 SIGXCPU (`ulimit -t`)
    """
    from flows.cli.views import view_for_stdout
    from flows.engine.build import Request
    from flows.engine.summary import closing
    from flows.orchestration.drivers import drive

    root = find_root(Path.cwd())
    when_unread("nobody reads the output any more; the build goes on, its record: .local/runs")
    view = view_for_stdout()
    request = Request(
        root=root,
        project=project,
        target=target,
        rerun=rerun,
        jobs=jobs,
        deadline_s=deadline_s,
        prepare=lambda: _prepare(root, project, assignments),
    )
    try:
        completed = drive(request, view, driver)
    finally:
        view.close()
    for line in (*closing(root, project, completed.outcome), *completed.lines):
        click.echo(line)
    sys.exit(completed.exit_code)


def _prepare(root: Path, project: str, assignments: tuple[str, ...]) -> None:
    from flows.settings.project_file import apply, check_project, project_file

    if not assignments:
        check_project(root, project)
        return
    for change in apply(root, project, assignments):
        click.echo(f"{project_file(project)}: {change}")
    click.echo(f"(`git checkout {project_file(project)}` undoes it)")


@cli.command()
@click.argument("project")
@click.argument("stage", required=False)
def why(project: str, stage: str | None) -> None:
    """Say in one line a stage why it is fresh or stale. Nothing is run.

    \b
    Examples:
      hallmark why adult
      hallmark why adult train
    """
    from flows.graph.plan import Planner
    from flows.graph.why import explanations
    from flows.settings.project_file import check_project

    root = find_root(Path.cwd())
    check_project(root, project)
    with Planner(root, project) as planner:
        plan = planner.plan(stage)
    for name, text in explanations(plan):
        if stage in (None, name):
            click.echo(f"{name:<10} {text}")


_COMMANDS = (
    cost,
    init,
    settings,
    contract,
    override,
    frontier,
    *PROMOTION_COMMANDS,
    serve,
    up,
    down,
    status,
    prune,
    refresh,
)
for _command in _COMMANDS:
    cli.add_command(_command)
for _stage in stage_commands():
    cli.add_command(_stage)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code; with given arguments, raise
    SystemExit."""
    given: list[Any] = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in given:  # at any place
        given = [word for word in given if word != "--debug"]
        os.environ[DEBUG] = "1"  # for the stages as well
    end_in_words_when_out_of_time()
    with enduring() as output:
        code = _exit_code(given)
        if lost := output.lost:
            code = code or _reported(lost)
    if arguments is None:
        end(code)
    sys.exit(code)


def _exit_code(arguments: list[Any]) -> int:
    """Run a command; its exit code. What went wrong is said on standard error."""
    try:
        return _number(cli.main(arguments, prog_name="hallmark", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as interrupt:
        click.echo("interrupted", err=True)
        return EXIT_TERMINATED if str(interrupt) == "SIGTERM" else EXIT_INTERRUPTED
    except SystemExit as end:
        return _number(end.code)
    except BaseException as error:
        return _reported(error)


def _number(code: object) -> int:
    """An exit code as a number; words instead of one are said, as Python does."""
    if code is None or isinstance(code, int):
        return int(code or 0)
    click.echo(str(code), err=True)
    return EXIT_BUG


def _reported(error: BaseException) -> int:
    """Say what an error means, and return the exit code; a traceback is shown for --debug alone."""
    import traceback
    from datetime import UTC, datetime

    from pipeline.core.run.runner import explained

    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    code, failure = explained(error, _local_folder() / "errors" / f"{now}.txt")
    if debugging():
        traceback.print_exception(error)
    click.echo(f"{failure['class']}: {failure['message']}", err=True)
    return code


def _local_folder() -> Path:
    """Where mutable state goes; outside a repository, a folder for what is temporary."""
    import tempfile

    from pipeline.core.paths import local_state

    try:
        return local_state(find_root(Path.cwd()))
    except (PipelineError, OSError):
        return Path(tempfile.gettempdir()) / "hallmark"


if __name__ == "__main__":
    main()
