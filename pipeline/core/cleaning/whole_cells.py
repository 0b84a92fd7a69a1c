"""A feature that is one whole value, an image or a text: how values of requests become cells.

Such a value is nearly always new, so that nothing is kept of it: what came in a batch is read one
by one, then cleaned, measured, checked and encoded as one small table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.cleaning.cells import Apply, Cell, Row, Troubled
from pipeline.core.cleaning.rules import Rule, for_requests


class Unreadable(Exception):
    """A value that is not read at all: `expected` and `found`, in words."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected, self.found = expected, found


@dataclass(frozen=True)
class WholeCells:
    """The values of the one feature of a modality whose rows are one whole value.

    Attributes:
        name: The delivered column.
        dtype: How it is delivered.
        read_value: From a value in JSON to a delivered one, None for none; raises Unreadable.
        described: A delivered value in words that do not repeat it.
        rules: The cleaning rules for requests.
        apply: Applies them, as the modality's `cleaning` does.
        measured: Adds the columns that the contract may name, `<column>.<measure>`.
        checks: What a clean value and its measures must keep.
        encoder: From a clean table to what the network takes, one array.
        beyond: Of one request's values, the place where they are too much together, and why.
    """

    name: str
    dtype: pl.DataType
    read_value: Callable[[Any], Any]
    described: Callable[[Any], str]
    rules: tuple[Rule, ...]
    apply: Apply
    measured: Callable[[pl.DataFrame], pl.DataFrame]
    checks: Sequence[Any]
    encoder: Any
    beyond: Callable[[Sequence[Any]], tuple[int, Unreadable] | None] = lambda _values: None

    @property
    def columns(self) -> tuple[Any, ...]:
        """None that is read by itself: rules on pairs of its measures are among the checks."""
        return ()

    def read(self, rows: Sequence[Row]) -> tuple[NDArray[Any], Troubled]:
        """What the encoder made of each row, and which rows break a rule; of one that is refused
        it is zeros."""
        delivered, troubled = self._delivered(rows)
        if not delivered:
            return np.zeros(len(rows)), troubled
        table = self._cleaned(list(delivered.values()))
        places = np.array(list(delivered))
        accepted = np.ones(len(places), dtype=bool)
        for number, values in enumerate(self.measured(table).iter_rows(named=True)):
            if cell := self._checked(values):
                troubled[places[number]] = [(self.name, cell)]
                accepted[number] = not cell.refused
        if not accepted.any():
            return np.zeros(len(rows)), troubled
        (encoded,) = self.encoder.encode(table.filter(accepted))
        codes = np.zeros((len(rows), *encoded.shape[1:]), encoded.dtype)
        codes[places[accepted]] = encoded
        return codes, troubled

    def too_much(self, rows: Sequence[Row]) -> tuple[int, Unreadable] | None:
        """The place where one request's rows are too much together, and why; nothing is decoded."""
        return self.beyond([row.get(self.name) for row in rows])

    def clean(self, row: Row) -> Row:
        """A row that was read before, its value clean: what is masked stays so in explanations."""
        (value,) = self._cleaned([self.read_value(row.get(self.name))])[self.name]
        return {**row, self.name: value}

    def inputs(self, codes: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """What the network takes, from the codes of rows."""
        return (codes,)

    def _cleaned(self, values: list[Any]) -> pl.DataFrame:
        table = pl.Series(self.name, values, self.dtype).to_frame()
        return self.apply(table, for_requests(self.rules, (self.name,)))[0]

    def _delivered(self, rows: Sequence[Row]) -> tuple[dict[int, Any], Troubled]:
        """The delivered values by their place, and what cannot be read."""
        delivered: dict[int, Any] = {}
        troubled: Troubled = {}
        for place, row in enumerate(rows):
            try:
                delivered[place] = self.read_value(row.get(self.name))
            except Unreadable as error:
                cell = Cell(None, None, True, ((error.expected, ""),), error.found)
                troubled[place] = [(self.name, cell)]
        return delivered, troubled

    def _checked(self, values: Row) -> Cell | None:
        """The cell of a value that breaks a rule."""
        failed = [check for check in self.checks if not check.passes(_of(values, check.columns))]
        if not failed:
            return None
        refusing = [check for check in failed if check.critical]
        shown = refusing or failed
        problems = tuple((self._expected(check), check.meaning) for check in shown)
        return Cell(None, None, bool(refusing), problems, self._found(values, shown[0]))

    def _expected(self, check: Any) -> str:
        """What a check expects, with the measure that it is about."""
        measures = " and ".join(self._short(name) for name in check.columns if name != self.name)
        return f"{measures} {check.expected}".strip()

    def _found(self, values: Row, check: Any) -> str:
        """A value in words, with the measures that a check is about."""
        if values[self.name] is None:
            return "nothing"
        named = [name for name in check.columns if name != self.name]
        measures = [f"{self._short(name)} {values[name]}" for name in named]
        return ", ".join([self.described(values[self.name]), *measures])

    def _short(self, name: str) -> str:
        return name.removeprefix(f"{self.name}.")


def _of(values: Row, columns: tuple[str, ...]) -> Any:
    """What a check looks at: one column's value, or those of two."""
    if len(columns) == 1:
        return values[columns[0]]
    return tuple(values[name] for name in columns)
