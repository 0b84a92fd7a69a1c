"""How a frontier is watched, and its table: live on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from flows.cli.live_table import LiveTable, grid
from flows.frontier.page import gap_text
from flows.frontier.points import Point, Refused
from flows.frontier.records import Ended
from flows.frontier.result import Frontier, short_cost

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

STYLES = {
    "waits": "dim",
    "running": "bold cyan",
    "on record": "green dim",
    "restored": "green",
    "trained": "bold green",
    "refused": "bold yellow",
    "failed": "bold red",
    "stopped": "yellow",
    "skipped": "yellow",
}
MARKS = {"pass": "✓ passes", "fail": "✗ refused", "insufficient": "? unclear"}


def state_of(ended: Ended) -> str:
    return ended.origin or ended.outcome


class PlainView:
    """One line when a point starts and one when it ends."""

    def planned(self, points: Sequence[Point], refused: Sequence[Refused]) -> None:
        click.echo(f"{len(points)} points")
        for one in refused:
            click.echo(f"left out: {one.name}: {_first(one.why)}")

    def started(self, name: str) -> None:
        click.echo(f"{name:<24} starts")

    def at(self, name: str, stage: str) -> None:
        """The end says enough."""

    def ended(self, ended: Ended) -> None:
        seconds = f"{ended.wall_s:7.1f} s" if ended.origin in ("trained", "restored") else " " * 9
        line = f"{ended.point.name:<24} {state_of(ended):<10}{seconds}  {_first(ended.message)}"
        click.echo(line.rstrip())

    def noted(self, text: str) -> None:
        click.echo(text)

    def close(self) -> None:
        """Nothing to put away."""


class LiveView(LiveTable):
    """A table of all points: state, seconds, the stage that each is at."""

    def __init__(self) -> None:
        super().__init__()
        self._points: dict[str, tuple[str, str]] = {}
        self._began: dict[str, float] = {}
        self._common = ""
        self._start = time.monotonic()

    def planned(self, points: Sequence[Point], refused: Sequence[Refused]) -> None:
        PlainView().planned(points, refused)
        self._points = {point.name: ("waits", "") for point in points}
        self._show(self._table)

    def started(self, name: str) -> None:
        self._common = ""
        self._began[name] = time.monotonic()
        self._points[name] = ("running", "")

    def at(self, name: str, stage: str) -> None:
        if name in self._points:
            self._points[name] = ("running", stage)
        else:
            self._common = f"{name}: {stage}"

    def ended(self, ended: Ended) -> None:
        said = _first(ended.message) or f"cost {short_cost(ended.cost, None)}"
        self._points[ended.point.name] = (state_of(ended), said)

    def _table(self) -> "RenderableType":
        from rich.text import Text

        table = grid("point")
        for name, (state, said) in list(self._points.items()):
            running = state == "running"
            seconds = f"{time.monotonic() - self._began[name]:.0f} s" if running else ""
            table.add_row(
                Text(name), Text(state, style=STYLES[state]), seconds, Text(said, style="dim")
            )
        done = sum(state not in ("waits", "running") for state, _ in self._points.values())
        took = f"{time.monotonic() - self._start:.0f} s"
        table.add_row(f"{done} of {len(self._points)}", "", took, self._common)
        return table


def view_for_stdout() -> PlainView | LiveView:
    return LiveView() if sys.stdout.isatty() else PlainView()


def table_of(frontier: Frontier) -> "Table":
    """The measured points: quality, worst gap, what the gate would say, cost."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("point", no_wrap=True)
    for name in (frontier.quality, "at least", "worst gap", "at most"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gate", no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    for point in frontier.measured:
        gap = point.gap
        chosen = point is frontier.choice.chosen
        mark = " ★" if chosen else " ·" if point in frontier.front else ""
        better = point.quality.low if frontier.larger_is_better else point.quality.high
        table.add_row(
            point.name + mark,
            f"{point.quality.value:.3f}",
            f"{better:.3f}",
            gap_text(gap.span.value, gap.is_share) if gap else "–",
            gap_text(gap.span.high, gap.is_share) if gap else "–",
            MARKS[point.outcome] if point.rules else "",
            frontier.cost_text(point.name),
            style="bold" if chosen else "" if point.would_pass or not point.rules else "dim",
        )
    return table


def closing(frontier: Frontier, relative: Callable[[str], str]) -> Iterator[str]:
    """The lines below the table.

    Args:
        frontier: What was made.
        relative: The path of one of its files, as people are told it.
    """
    ended = frontier.traced.ended
    yield "★ chosen   · on the front (no other point is better in both)"
    yield (
        f"measured on {frontier.num_rows:,} validation rows; a gap of 100% is its rule's limit; "
        "bounds are wider than on the larger test part, which nothing here reads"
    )
    for one in ended:
        if one.content is None:
            yield f"not measured: {one.point.name}: {_first(one.message)}"
    num_new = sum(one.origin == "trained" for one in ended)
    known = sum(one.origin in ("on record", "restored") for one in ended)
    yield (
        f"{num_new} trained, {known} from the cache or on record, "
        f"in {frontier.traced.wall_s:.0f} s"
        + ("" if num_new or any(one.origin == "restored" for one in ended) else ": it cost nothing")
    )
    yield f"plot: {relative('frontier.html')}"
    if frontier.traced.interrupted:
        yield f"interrupted ({frontier.traced.interrupted}): chosen among what is measured so far"
    yield frontier.choice.sentence


def _first(text: str) -> str:
    return text.splitlines()[0] if text else ""
