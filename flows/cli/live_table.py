"""A table that is drawn anew while something runs; what is noted meanwhile stands above it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table


class LiveTable:
    """What the live views of builds and of frontiers have in common."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def noted(self, text: str) -> None:
        if self._live:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text)

    def close(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _show(self, table: "Callable[[], RenderableType]") -> None:
        from rich.live import Live

        self._live = Live(get_renderable=table, refresh_per_second=4)
        self._live.start()


def grid(first: str) -> "Table":
    """An empty table of what runs (the name of its column), its state, seconds and what is now."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for column in (first, "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("now", no_wrap=True, overflow="ellipsis")
    return table
