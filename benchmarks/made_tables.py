"""Tables made from a seed, as bad as real ones: what `sizes.py` builds.

Numbers with heavy tails, whole numbers that are codes, categories with 3 to 3,000 levels, booleans
in three spellings, a date, missing values in four spellings, two sensitive columns, and a binary
target that depends on a few features and, a little, on both sensitive columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

MISSING = ("", "NA", "?", "n/a")
"""The four spellings of a missing value. Every column that may lack values has them all."""
LEVELS = (3, 5, 8, 12, 20, 50, 120, 400, 1_000, 3_000)
TARGET, POSITIVE = "outcome", "yes"
SENSITIVE = ("gender", "district")


@dataclass(frozen=True)
class Shape:
    """How many columns of each kind a table has, beside identifier, date and target."""

    numbers: int
    codes: int
    levels: tuple[int, ...]
    booleans: int
    sensitive: tuple[str, ...]

    @property
    def num_columns(self) -> int:
        return (
            self.numbers + self.codes + len(self.levels) + self.booleans + len(self.sensitive) + 3
        )


WIDE = Shape(numbers=18, codes=6, levels=LEVELS, booleans=3, sensitive=SENSITIVE)
LONG = Shape(numbers=5, codes=2, levels=(4, 60, 3_000), booleans=1, sensitive=SENSITIVE[:1])


def table(shape: Shape, num_rows: int, seed: int = 0) -> pl.DataFrame:
    """The rows, every column as text: what a csv file would hold."""
    rng = np.random.default_rng(seed)
    columns: dict[str, pl.Series] = {"id": _identifiers(num_rows)}
    signals = []
    for i in range(shape.numbers):
        values = _numbers(i, num_rows, rng)
        if i < 4:
            signals.append(_ranks(values))
        columns[f"amount {i + 1}"] = _with_missing(_as_text(values), i, num_rows, rng)
    for i in range(shape.codes):
        codes = rng.integers(1, 4 + 3 * i, num_rows)
        if i == 0:
            signals.append(codes / codes.max() - 0.5)
        columns[f"code_{i + 1}"] = pl.Series(codes).cast(pl.String)
    for i, num_levels in enumerate(shape.levels):
        place = (num_levels * rng.random(num_rows) ** 2).astype(np.int64)
        if i == 1:
            signals.append(place % 7 / 6 - 0.5)
        names = pl.Series([f"level {n:04d} of {num_levels}" for n in range(num_levels)])
        columns[f"kind-{num_levels}"] = _with_missing(names.gather(place), i, num_rows, rng)
    for i in range(shape.booleans):
        spelling = pl.Series([("false", "true"), ("no", "yes"), ("0", "1")][i % 3])
        columns[f"flag {i + 1}"] = spelling.gather(rng.integers(0, 2, num_rows))
    columns["opened"] = _dates(num_rows, rng)
    groups = {
        "gender": rng.choice(3, num_rows, p=[0.49, 0.48, 0.03]),
        "district": rng.choice(5, num_rows, p=[0.4, 0.3, 0.15, 0.1, 0.05]),
    }
    for name in shape.sensitive:
        columns[name] = pl.Series([f"{name} {n}" for n in "abcde"]).gather(groups[name])
        signals.append(0.15 * (groups[name] == 0))
    score = 2.2 * sum(signals) + rng.logistic(size=num_rows) - 1.2
    columns[TARGET] = pl.Series(["no", POSITIVE]).gather((score > 0).astype(np.int64))
    return pl.DataFrame(columns)


def _identifiers(num_rows: int) -> pl.Series:
    number = pl.int_range(num_rows, dtype=pl.Int64)
    return pl.select(pl.format("N{}", number.cast(pl.String).str.zfill(9))).to_series()


def _numbers(i: int, num_rows: int, rng: np.random.Generator) -> Any:
    """Five shapes in turn, two of them with heavy tails."""
    match i % 5:
        case 0:
            return np.round(rng.lognormal(8, 1.4, num_rows), 2)
        case 1:
            return np.round(rng.standard_t(2, num_rows) * 100, 1)
        case 2:
            return rng.integers(0, 120, num_rows)
        case 3:
            return np.round(rng.normal(50, 10, num_rows), 3)
        case _:
            return rng.poisson(3, num_rows)


def _ranks(values: Any) -> Any:
    """Where each value stands among all, from -0.5 to 0.5: a signal without the tails."""
    return (pl.Series(values).rank("average") / len(values) - 0.5).to_numpy()


def _as_text(values: Any) -> pl.Series:
    return pl.Series(values).cast(pl.String)


def _with_missing(text: pl.Series, i: int, num_rows: int, rng: np.random.Generator) -> pl.Series:
    """Some values of every other column replaced by one of the four spellings."""
    if i % 2:
        return text
    spelling = pl.Series(MISSING).gather(rng.integers(0, len(MISSING), num_rows))
    chosen = pl.Series(rng.random(num_rows) < 0.01 * (i + 2))
    return pl.select(pl.when(chosen).then(spelling).otherwise(text)).to_series()


def _dates(num_rows: int, rng: np.random.Generator) -> pl.Series:
    days = pl.Series(rng.integers(16_436, 20_089, num_rows).astype(np.int32))  # 2015 to 2024
    return days.cast(pl.Date).dt.to_string("%Y-%m-%d")
