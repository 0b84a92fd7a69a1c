"""The features of a table's rows, column by column: single values, encoded once each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.cleaning.cells import CellColumn, Row, Troubled
from pipeline.core.cleaning.rules import Rule
from pipeline.core.settings.columns import Columns
from pipeline.tabular.data import cleaning
from pipeline.tabular.model.encoding import UNKNOWN_LEVEL, Encoder, Inputs


@dataclass
class Feature(CellColumn):
    """One feature's values: a code is the encoder's position or level index.

    Attributes:
        encoder: The whole encoder; of it is kept what is about this column.
    """

    encoder: Encoder = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.encoder = self.encoder.of(self.name)
        self.width = sum(self.encoder.widths) or 1

    def _coded(self, table: pl.DataFrame) -> list[Any]:
        numbers, levels = self.encoder.encode(table)
        if self.width > 1:
            return list(map(tuple, numbers.tolist()))
        found: list[Any] = (numbers if numbers.shape[1] else levels)[:, 0].tolist()
        return found

    def _unlearnt(self, value: Any, code: Any) -> list[tuple[str, str]]:
        if value is None:
            is_new = self.name in self.encoder.complete
            return [("a value, which no training row lacked", "")] if is_new else []
        if self.encoder.levels and code == UNKNOWN_LEVEL:
            return [(f"a value that training rows had often enough, got {value}", "")]
        return []


@dataclass(frozen=True)
class Cells:
    """The features of rows, column by column.

    Attributes:
        columns: In the order of the network's inputs, numbers first.
        num_numbers: How many of the codes are numbers; the others are levels.
    """

    columns: Sequence[Feature]
    num_numbers: int

    def read(self, rows: Sequence[Row]) -> tuple[NDArray[np.float64], Troubled]:
        """The codes of rows, shape (rows, codes), and which of them break a rule."""
        codes = np.zeros((len(rows), sum(column.width for column in self.columns)))
        troubled: Troubled = {}
        place = 0
        for column in self.columns:
            found, problems = column.read([row.get(column.name) for row in rows])
            if column.width == 1:  # nearly every column: a slice takes twice as long
                codes[:, place] = found
            else:
                codes[:, place : place + column.width] = np.reshape(found, (-1, column.width))
            place += column.width
            for number, cell in problems:
                troubled.setdefault(number, []).append((column.name, cell))
        return codes, troubled

    def clean(self, row: Row) -> Row:
        """A row as explanations show it: as it was sent."""
        return row

    def inputs(self, codes: NDArray[np.float64]) -> Inputs:
        """What the network takes, from the codes of rows."""
        numbers, levels = codes[:, : self.num_numbers], codes[:, self.num_numbers :]
        return numbers.astype(np.float32), levels.astype(np.int64)


def cells_of(
    fields: Iterable[Any],
    columns: Columns,  # noqa: ARG001 -- as every modality's
    rules: tuple[Rule, ...],
    encoder: Encoder,
    enforcement: Any,
) -> Cells:
    """A column for each of the encoder's."""
    by_name = {one.name: one for one in fields}
    found = [
        Feature(
            name,
            by_name[name].delivered,
            by_name[name].expected,
            rules,
            enforcement.of(name),
            cleaning.apply,
            encoder=encoder,
        )
        for name in encoder.columns
    ]
    return Cells(found, sum(encoder.widths))
