"""`hallmark contract`: what a project's data must be, and what a new delivery would break."""

import sys
from pathlib import Path
from typing import Any

import click

EXIT_BREACH = 3


@click.command()
@click.argument("project")
@click.option(
    "--diff", "file", metavar="NEW_FILE", help="Say what this delivery would break, and the edit."
)
@click.option("--write", is_flag=True, help="Write the edit of the finding that --accept names.")
@click.option(
    "--accept", "number", type=click.IntRange(min=1), metavar="N", help="The finding's number."
)
@click.option("--json", "target", metavar="FILE", help="Write the findings as JSON, too.")
def contract(
    project: str, file: str | None, write: bool, number: int | None, target: str | None
) -> None:
    """Show a project's data contract, or what a new delivery would break of it.

    With --diff the file is read as `ingest` would read it and cleaned by the project's rules; both
    parts of the contract are checked. Each thing that changed is one line, with the edit of
    contract.json or project.yaml that would let it pass. Nothing is loosened without a person:
    --write writes the edit of the one finding that --accept names, and the contract's notes then
    say what was accepted.

    \b
    Examples:
      hallmark contract adult
      hallmark contract adult --diff delivery.csv
      hallmark contract adult --diff delivery.csv --write --accept 2
    \b
    Exit codes: 0 nothing would break but warnings, 3 something critical would, 2 bad input.
    """
    from flows.engine.checkout import find_root
    from pipeline.core.errors import ProjectError
    from pipeline.core.settings.project import known_project

    root = find_root(Path.cwd())
    known_project(root, project)
    if file is None:
        if write or number or target:
            raise ProjectError(
                "expected --diff NEW_FILE with --write, --accept and --json, found none",
                hint=f"`hallmark contract {project} --diff NEW_FILE`",
            )
        for line in table(root, project):
            click.echo(line)
        return
    if write != (number is not None):
        raise ProjectError(
            "expected --write and --accept N together: nothing is loosened without a person, who "
            "names the finding",
            hint="without both the findings are listed with their numbers",
        )
    sys.exit(_diff(root, project, file, number, target))


def _diff(root: Path, project: str, file: str, number: int | None, target: str | None) -> int:
    from pipeline.core.files import write_json
    from pipeline.onboarding.contract.differences import accept, difference, lines

    given = difference(root, project, file)
    if target:
        write_json(Path(target), [cause.as_dict() for cause in given.found.causes])
    if number is None:
        for line in lines(given, file):
            click.echo(line)
        return EXIT_BREACH if given.found.is_breach else 0
    cause = given.found.causes[number - 1] if number <= len(given.found.causes) else None
    for name in accept(given, number):
        click.echo(f"{name}: accepted: {cause.sentence if cause else ''}")
    click.echo(f"`git diff data/{project}` shows it; the findings' numbers may be others now")
    return 0


def table(root: Path, project: str) -> list[str]:
    """The contract for people: column, what is expected, severity and what was seen."""
    from pipeline.core.contract.contract import PARTS, load_contract

    found = load_contract(
        root / "data" / project / "contract.json", f"data/{project}/contract.json"
    )
    rows: list[tuple[str, ...]] = []
    for part in PARTS:
        rows.append((f"{part}:", "", "", ""))
        rows += [_row(entry) for entry in found[part]["expectations"]]
    widths = [
        min(max(len(row[place]) for row in rows), limit) for place, limit in ((0, 28), (1, 56))
    ]
    return [
        f"{_fit(column, widths[0])}  {_fit(what, widths[1])}  {severity:<8}  {seen}".rstrip()
        for column, what, severity, seen in rows
    ]


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    from pipeline.core.contract import contract_words

    kwargs = entry.get("kwargs") or {}
    columns = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    line: dict[str, Any] = {"expectation": entry["type"], "expected": kwargs}
    line |= {"columns": columns} if columns else {}
    evidence = entry["meta"].get("evidence") or {}
    seen = ", ".join(
        f"{key.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{key} {value}"
        for key, value in evidence.items()
    )
    what = contract_words.expectation(line)
    return contract_words.subject(line), what, str(entry["severity"]), seen


def _fit(text: str, width: int) -> str:
    return f"{text:<{width}}" if len(text) <= width else f"{text[: width - 1]}…"
