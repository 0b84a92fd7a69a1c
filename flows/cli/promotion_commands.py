"""`hallmark versions`, `promote`, `rollback`, `history` and `track`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.engine.checkout import find_root

if TYPE_CHECKING:
    from flows.registry.history import Move

WHO = click.option("--who", help="Whom to ask about it; else git's identity or your user name.")
WHY = click.option(
    "--why", prompt="Why", metavar="TEXT", help="The reason; asked for when not given."
)


def _root_of(project: str) -> Path:
    from pipeline.core.settings.project import known_project

    root = find_root(Path.cwd())
    known_project(root, project)
    return root


def _line_of(project: str, move: "Move") -> str:
    was = f"version {move.before}" if move.before else "none"
    return f"champion of {project}: version {move.after} (before: {was})"


@click.command()
@click.argument("project")
def versions(project: str) -> None:
    """List the registered versions of a project's model, the newest first.

    \b
    Example:
      hallmark versions adult
    """
    from flows.registry import versions as registry
    from pipeline.core.verdict.override_records import has_expired, in_words

    root = _root_of(project)
    known = registry.versions(root, project)
    for version in known:
        names = ", ".join(filter(None, (*registry.aliases(root, version), version.origin)))
        state = "dirty" if version.dirty else (version.commit or "")[:10]
        click.echo(
            f"{version.version:>4}  {version.created:%Y-%m-%d %H:%M}  {state:<10}  "
            f"verdict {version.verdict}, rehearsal {version.rehearsal}  {names}".rstrip()
        )
        for record in version.overrides:
            state = " (expired)" if has_expired(record, datetime.now(UTC).date()) else ""
            click.echo(f"      ! {in_words(record)}{state}")
    if not known:
        click.echo(f"no version of {project} is registered: `hallmark build {project}`")


@click.command()
@click.argument("project")
@click.argument("version", required=False)
@WHY
@WHO
def promote(project: str, version: str | None, why: str, who: str | None) -> None:
    """Make VERSION, or the candidate, the champion: the version that is served.

    It needs a passing verdict, a passing rehearsal of the very bento that is registered, and a
    build from a clean tree. A running `hallmark serve` changes over by itself.

    \b
    Examples:
      hallmark promote adult --why "better on older people"
      hallmark promote adult 3 --why "asked for by the board" --who "Ada <ada@example.org>"
    """
    from flows.registry import promotion

    root = _root_of(project)
    asked = who or promotion.identity(root)
    move = promotion.promote(root, project, version, who=asked, why=why, tell=click.echo)
    click.echo(_line_of(project, move))


@click.command()
@click.argument("project")
@WHY
@WHO
def rollback(project: str, why: str, who: str | None) -> None:
    """Make the earlier champion live again. It is started and rehearsed first.

    \b
    Example:
      hallmark rollback adult --why "too slow under load"
    """
    from flows.registry import promotion

    root = _root_of(project)
    click.echo("rehearsing the version before, this takes a while")
    asked = who or promotion.identity(root)
    move = promotion.rollback(root, project, who=asked, why=why, tell=click.echo)
    click.echo(_line_of(project, move))


@click.command()
@click.argument("project")
def history(project: str) -> None:
    """Who made which version live, when and why, the oldest first.

    \b
    Example:
      hallmark history adult
    """
    from flows.registry.history import history as moves_of

    root = _root_of(project)
    moves = moves_of(root, project)
    for move in moves:
        click.echo(
            f"{move.time}  {move.kind:<8}  {move.before or '-'} → {move.after}  "
            f"{move.who}: {move.why}"
        )
    if not moves:
        click.echo(f"no version of {project} was promoted yet: `hallmark promote {project}`")


@click.command()
@click.argument("project")
@click.argument("build", required=False)
def track(project: str, build: str | None) -> None:
    """Log what is not tracked yet: builds that ended while MLflow was down or locked.

    BUILD is one build's id, as under .local/runs; else all that are due. What is logged already
    is left as it is.

    \b
    Examples:
      hallmark track adult
      hallmark track adult 20260101T120000000000-4242
    """
    from flows.registry.promotion import settle
    from flows.registry.tracker import track_builds

    root = _root_of(project)
    lines, all_logged = track_builds(root, project, build)
    for line in lines:
        click.echo(line)
    settle(root, project, click.echo)
    if not all_logged:
        raise click.exceptions.Exit(1)


COMMANDS = (versions, promote, rollback, history, track)
