"""What `hallmark init` prints: one screen of what it saw, decided, and asks a person to look at."""

import difflib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.init.describe import Described, Told
from flows.init.files import KEPT
from pipeline.core.verdict.gate_rules import Rule
from pipeline.onboarding.columns.proposal import Finding, ProposedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

MAX_COLUMNS = 16
"""A table with more columns is folded: the usual ones are counted."""
MAX_LISTED = 14
"""Of a folded table so many columns are shown."""
MAX_FINDINGS, MAX_OF_ONE_KIND = 10, 3
KINDS = {"constant": "constant or nearly so", "other": "others", "missing": "with missing values"}
USUAL = ("numeric", "categorical")
PLAIN_WIDTH = 100
SEPARATORS = {"\t": "tab", " ": "blank"}


@contextmanager
def telling() -> "Iterator[Told]":
    """Say what is done just now: in place on a terminal, one line each elsewhere."""
    if not sys.stderr.isatty():
        yield lambda text: click.echo(f"{text} …", err=True)
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(f"{text} …")


def show(found: Described, is_written: bool) -> None:
    """Print the screen; `is_written` says whether the files stand there."""
    console = _console()
    _print_head(console, found)
    _print_columns(console, found)
    _print_findings(console, found, not is_written)
    _print_gates(console, found)
    if is_written:
        _print_next(console, found)


def _console() -> "Console":
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    return Console(highlight=False, width=None if is_terminal else PLAIN_WIDTH)


def _print_head(console: "Console", found: Described) -> None:
    from rich.text import Text

    from pipeline.onboarding.reading.reading import said

    target = next(one for one in found.proposal.columns if one.role == "target")
    console.print(
        Text.assemble(
            (found.name, "bold"),
            f": {found.num_rows:,} rows × {len(found.proposal.columns)} columns from "
            f"{found.file} ({reading(found)})",
        )
    )
    for sentence in said(found.ingest):
        console.print(Text(sentence, style="dim"))
    console.print(
        Text.assemble(
            "predicts ", (target.name, "bold"), f" ({found.columns.task}): {target.reason}"
        )
    )


def reading(found: Described) -> str:
    """How the file was read, in words: `csv, separator ;, latin-1`."""
    keys: Mapping[str, Any] = found.ingest
    suffix = found.file.rpartition(".")[2].lower()
    kind = keys.get("format") or {"pq": "parquet", "parquet": "parquet", "xlsx": "excel"}.get(
        suffix, "csv"
    )
    words = [str(kind)]
    if kind == "csv":
        separator = str(keys.get("separator", ","))
        words.append(f"separator {SEPARATORS.get(separator, separator)}")
        words.append(str(keys.get("encoding", "utf-8")))
    if keys.get("header") is False:
        words.append("no header")
    if "sheet" in keys:
        words.append(f"sheet {keys['sheet']}")
    return ", ".join(words)


def _print_columns(console: "Console", found: Described) -> None:
    from rich.table import Table
    from rich.text import Text

    shown, counted = folded(found)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in shown:
        table.add_row(Text(one.name), Text(one.role, style=_style(one.role)), Text(one.reason))
    console.print()
    console.print(table)
    if counted:
        told = ", ".join(f"{num} {role}" for role, num in counted.items())
        console.print(f"and {told}: all in project.yaml", style="dim")


def folded(found: Described) -> tuple[list[ProposedColumn], dict[str, int]]:
    """The columns to show, and how many others there are of each role."""
    columns = list(found.proposal.columns)
    if len(columns) <= MAX_COLUMNS:
        return columns, {}
    shown = [one for one in columns if one.role not in USUAL][:MAX_LISTED]
    rest = [one for one in columns if one not in shown]
    return shown, dict(Counter(one.role for one in rest))


def _style(role: str) -> str:
    return {"target": "bold green", "sensitive": "bold yellow", "drop": "dim"}.get(role, "")


def _print_findings(console: "Console", found: Described, is_dry_run: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found.findings:
        return
    shown = chosen(found.findings, is_dry_run)
    table = Table.grid(padding=(0, 1))
    for finding in shown:
        table.add_row("!", Text(finding.sentence))
        table.add_row("", Text(f"→ {finding.advice}", style="cyan"))
    console.print("\nto look at", style="bold")
    console.print(table)
    if rest := [one for one in found.findings if one not in shown]:
        kinds = Counter(KINDS.get(one.kind, one.kind.replace("_", " ")) for one in rest)
        told = ", ".join(f"{num} {kind}" for kind, num in kinds.items())
        console.print(f"… and more: {told}; --dry-run lists all", style="dim")


def chosen(findings: Sequence[Finding], is_dry_run: bool = False) -> list[Finding]:
    """The findings to print: of one kind and in all not more than a person reads."""
    if is_dry_run:
        return list(findings)
    seen: Counter[str] = Counter()
    found = []
    for finding in findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= MAX_OF_ONE_KIND:
            found.append(finding)
    return found[:MAX_FINDINGS]


def _print_gates(console: "Console", found: Described) -> None:
    from rich.text import Text

    active = [Rule.model_validate(dict(rule.rule)) for rule in found.rules if rule.is_active]
    limits = [rule.title for rule in active if rule.against is None]
    console.print()
    told = "; ".join(limits) or "none could be proposed"
    console.print(Text.assemble(("gate: ", "bold"), told))
    if not found.columns.sensitive and not found.columns.no_sensitive:
        console.print(
            "gate: not enough evidence about groups, as no sensitive column was named",
            style="yellow",
        )


def _print_next(console: "Console", found: Described) -> None:
    home = f"data/{found.name}"
    console.print("\nnext", style="bold")
    rows = (
        (f"$EDITOR {home}/project.yaml", "fill in `about`, look at roles and gates"),
        (
            f"git add {home} params.yaml && git commit -m {found.name}",
            "only what is committed can be promoted; the raw file stays with DVC",
        ),
        (f"hallmark build {found.name}", "model, verdict, report"),
    )
    for command, what in rows:
        console.print(f"  {command}  # {what}", markup=False, soft_wrap=True)


def show_files(root: Path, name: str, files: Mapping[str, str], params: str) -> None:
    """What a dry run would write: whole, or the difference to what stands there."""
    texts = {f"data/{name}/{path}": text for path, text in files.items()}
    click.echo("\nnothing was written (--dry-run); these files would be")
    for path, text in {**texts, "params.yaml": params}.items():
        before = root / path
        if not before.is_file():
            click.echo(f"\n=== {path}\n{text}", nl=False)
            continue
        old = before.read_text(encoding="utf-8")
        if path.endswith(KEPT) or old == text:
            continue
        lines = difflib.unified_diff(
            old.splitlines(keepends=True), text.splitlines(keepends=True), path, path
        )
        click.echo(f"\n=== {path}\n{''.join(lines)}", nl=False)
