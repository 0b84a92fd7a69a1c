"""From a table to whole numbers and back: what the generators of rows learn and draw.

A category's level is a code. So is a number that many rows share (40 hours, a capital gain of 0);
the other numbers are cut into quantile bins, and one drawn from a bin lies anywhere in it. A value
that fewer than `MIN_ROWS` rows share is therefore never handed out as such. Missing is a code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MIN_ROWS = 5
"""A level or number that fewer rows share is rare: never drawn (level) or binned (number)."""
MAX_SHARED = 100
"""How many numbers of a column may be codes of their own, the most frequent ones."""
MAX_BINS = 32
"""Into how many bins a column's other numbers are cut."""
MISSING, RARE = 0, 1
NUM_SPECIAL = 2


@dataclass(frozen=True)
class Levels:
    """A category's codes: missing, rare, then these levels."""

    known: list[str]

    @property
    def num_codes(self) -> int:
        return NUM_SPECIAL + len(self.known)

    def codes(self, values: pl.Series) -> Ints:
        texts = values.cast(pl.String)
        place = texts.cast(pl.Enum(self.known), strict=False).to_physical().cast(pl.Int64)
        code = (place + NUM_SPECIAL).fill_null(RARE).to_numpy()
        return np.where(texts.is_null().to_numpy(), MISSING, code)

    def values(self, codes: Ints, dtype: pl.DataType, _rng: np.random.Generator) -> pl.Series:
        """The levels of codes; what is missing or rare is null."""
        named = pl.Series([None, None, *self.known], dtype=pl.String)
        known = named == "true" if dtype == pl.Boolean else named.cast(dtype)
        return known.gather(codes)


@dataclass(frozen=True)
class Ranges:
    """A number's codes: missing, rare (of no use here), then ranges from `low` to `high`.

    First those of one number, which many rows share, ascending; then the bins, ascending.
    """

    low: Floats
    high: Floats
    num_shared: int

    @property
    def num_codes(self) -> int:
        return NUM_SPECIAL + len(self.low)

    def codes(self, values: pl.Series) -> Ints:
        given = _number(values).fill_null(np.nan).to_numpy()
        number = np.nan_to_num(given)
        shared, bins = self.low[: self.num_shared], self.low[self.num_shared :]
        place = np.clip(np.searchsorted(shared, number), 0, max(len(shared) - 1, 0))
        if len(bins):
            binned = np.clip(np.searchsorted(bins, number, side="right") - 1, 0, None)
            own = shared[place] == number if len(shared) else np.zeros(len(number), dtype=bool)
            place = np.where(own, place, self.num_shared + binned)
        return np.where(np.isfinite(given), NUM_SPECIAL + place, MISSING)

    def values(self, codes: Ints, dtype: pl.DataType, rng: np.random.Generator) -> pl.Series:
        """A number anywhere in each code's range; whole where the column is; missing is null."""
        place = np.clip(codes - NUM_SPECIAL, 0, None)
        share = rng.random(len(codes))
        number = self.low[place] + share * (self.high[place] - self.low[place])
        if dtype.is_integer() or dtype.is_temporal():
            number = np.rint(number)
        known = codes >= NUM_SPECIAL
        made = pl.Series(np.where(known, number, np.nan)).fill_nan(None)
        return made.cast(pl.Int64).cast(dtype) if dtype.is_temporal() else made.cast(dtype)


@dataclass(frozen=True)
class Discretization:
    """The codes of several columns; fitted on training rows."""

    columns: dict[str, Levels | Ranges]

    @property
    def num_codes(self) -> list[int]:
        return [column.num_codes for column in self.columns.values()]

    def codes(self, table: pl.DataFrame) -> Ints:
        """Shape (rows, columns)."""
        parts = [column.codes(table[name]) for name, column in self.columns.items()]
        return np.stack(parts, axis=1) if parts else np.zeros((table.height, 0), dtype=np.int64)

    def table(self, codes: Ints, schema: pl.Schema, seed: int) -> pl.DataFrame:
        """A table with the values of codes, in the types of `schema`."""
        rng = np.random.default_rng(seed)
        return pl.DataFrame(
            [
                column.values(codes[:, i], schema[name], rng).alias(name)
                for i, (name, column) in enumerate(self.columns.items())
            ]
        )


def fit(table: pl.DataFrame, numeric: Sequence[str], others: Sequence[str]) -> Discretization:
    """Codes for a table's columns; others than numbers and dates are taken as levels."""
    columns: dict[str, Levels | Ranges] = {name: _ranges(table[name]) for name in numeric}
    return Discretization(columns | {name: _levels(table[name]) for name in others})


def _levels(values: pl.Series) -> Levels:
    counts = values.drop_nulls().cast(pl.String).rename("level").value_counts(name="count")
    return Levels(sorted(counts.filter(pl.col("count") >= MIN_ROWS)["level"].to_list()))


def _ranges(values: pl.Series) -> Ranges:
    number = _number(values).drop_nulls().to_numpy()
    number = number[np.isfinite(number)]
    if len(number) == 0:
        return Ranges(np.zeros(1), np.zeros(1), num_shared=1)
    distinct, counts = np.unique(number, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_SHARED]
    shared = np.sort(distinct[order[counts[order] >= MIN_ROWS]])
    rest = np.sort(number[~np.isin(number, shared)])
    if len(rest) < MIN_ROWS and len(shared):
        return Ranges(shared, shared, len(shared))  # too few for a bin: the next shared number
    num_bins = int(np.clip(len(rest) // MIN_ROWS, 1, MAX_BINS))
    bins = [part for part in np.array_split(rest, num_bins) if len(part)]
    low = np.array([part[0] for part in bins])
    high = np.array([part[-1] for part in bins])
    return Ranges(
        np.concatenate([shared, low]), np.concatenate([shared, high]), num_shared=len(shared)
    )


def _number(values: pl.Series) -> pl.Series:
    """A number, or a date as what it is counted in."""
    return (values.to_physical() if values.dtype.is_temporal() else values).cast(pl.Float64)
