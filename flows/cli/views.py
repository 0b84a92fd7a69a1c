"""How a build is watched: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from flows.cli.live_table import LiveTable, grid
from flows.engine.stage_run import RunContext, StageResult, last_lines
from flows.graph.plan import Plan

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {
    "waits": "dim",
    "running": "bold cyan",
    "cached": "green dim",
    "restored": "green",
    "ran": "bold green",
    "refused": "bold yellow",
    "failed": "bold red",
    "skipped": "yellow",
}


def line_of(result: StageResult) -> str:
    """`train      ran       12.3 s  train.epochs 30 → 40`."""
    seconds = f"{result.cost.wall_s:7.1f} s" if result.cost else " " * 9
    return f"{result.name:<10} {result.state:<9} {seconds}  {cause(result)}".rstrip()


def cause(result: StageResult) -> str:
    """One line: what was refused or went wrong, else why it was not fresh."""
    if result.error and result.state == "refused":
        return result.error.message.splitlines()[0]
    if result.error:
        return f"{result.error.kind}: {result.error.message.splitlines()[0]}"
    return "; ".join(result.reasons)


class PlainView:
    """One line when a stage starts and one when it ends."""

    def planned(self, plan: Plan, context: RunContext) -> None:
        num_fresh = sum(step.status == "fresh" for step in plan.steps)
        if plan.is_fresh:
            click.echo(f"{context.project}: all {num_fresh} stages are fresh, nothing to run")
        else:
            click.echo(f"{context.project}: {num_fresh} of {len(plan.steps)} stages are fresh")

    def started(self, stage: str) -> None:
        click.echo(f"{stage:<10} starts")

    def ended(self, result: StageResult) -> None:
        if result.state != "cached":
            click.echo(line_of(result))

    def noted(self, text: str) -> None:
        click.echo(text)

    def close(self) -> None:
        """Nothing to put away."""


@dataclass
class _Row:
    state: str = "waits"
    started: float = 0.0
    result: StageResult | None = None


class LiveView(LiveTable):
    """A table of all stages: state, seconds, and what a running stage says just now."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, _Row] = {}
        self._context: RunContext | None = None

    def planned(self, plan: Plan, context: RunContext) -> None:
        if plan.is_fresh:
            PlainView().planned(plan, context)
            return
        self._rows = {name: _Row() for name in plan.names}
        self._context = context
        self._show(self._table)

    def started(self, stage: str) -> None:
        if stage in self._rows:
            self._rows[stage] = _Row("running", time.monotonic())

    def ended(self, result: StageResult) -> None:
        if result.name in self._rows:
            self._rows[result.name] = _Row(result.state, result=result)
        elif result.state != "cached":
            click.echo(line_of(result))

    def _table(self) -> "RenderableType":
        from rich.text import Text

        table = grid("stage")
        for name, row in self._rows.items():
            style = STYLES[row.state]
            state, now = Text(row.state, style=style), Text(self._now(name, row), style="dim")
            table.add_row(Text(name), state, _seconds(row), now)
        return table

    def _now(self, name: str, row: _Row) -> str:
        if row.result:
            return cause(row.result)
        if row.state == "running" and self._context:
            return "".join(last_lines(self._context.log(name), num_lines=1))
        return ""


def _seconds(row: _Row) -> str:
    if row.state == "running":
        return f"{time.monotonic() - row.started:.0f} s"
    return f"{row.result.cost.wall_s:.1f} s" if row.result and row.result.cost else ""


def view_for_stdout() -> PlainView | LiveView:
    return LiveView() if sys.stdout.isatty() else PlainView()
