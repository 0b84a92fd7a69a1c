"""How well the model decides on parts of the test rows, whatever tells the parts apart."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import polars as pl

from pipeline.core.statistics.intervals import wilson

NUM_RANGES = 4
MISSING = "(missing)"
ERROR = "\0error"
"""A name that no delivered column has."""

Slices = Mapping[str, pl.Series]
"""By what rows are told apart: each row's slice, a text, or null where it is not known."""


def accuracy(slices: Slices, hits: pl.Series, min_rows: int) -> list[dict[str, Any]]:
    """Accuracy of each slice with its 95% interval, worst first.

    Args:
        slices: Of the rows.
        hits: Whether each row was decided right, shape (rows,).
        min_rows: Smaller slices are left out.
    """
    found = pl.concat([_counts(values, name, hits) for name, values in slices.items()])
    found = found.filter(pl.col("num_rows") >= min_rows)
    low, high = wilson(found["num_hits"].to_numpy(), found["num_rows"].to_numpy())
    found = found.with_columns(
        accuracy=(pl.col("num_hits") / pl.col("num_rows")).round(6),
        low=pl.Series(low).round(6),
        high=pl.Series(high).round(6),
    )
    return found.sort("accuracy", "column", "slice").drop("num_hits").to_dicts()


def mean_absolute_error(slices: Slices, errors: pl.Series, min_rows: int) -> list[dict[str, Any]]:
    """Mean absolute error of each slice, the largest first, with normal 95% intervals.

    Args:
        slices: Of the rows.
        errors: Absolute error of each row, shape (rows,).
        min_rows: Smaller slices are left out.
    """
    wide = pl.DataFrame(
        [values.fill_null(MISSING).alias(name) for name, values in slices.items()]
    ).with_columns(errors.alias(ERROR))
    found = [
        wide.group_by(pl.col(name).alias("slice"))
        .agg(
            num_rows=pl.len().cast(pl.Int64),
            mean=pl.mean(ERROR),
            half=1.959964 * pl.std(ERROR).fill_null(0.0) / pl.len().sqrt(),
        )
        .select(pl.lit(name).alias("column"), "slice", "num_rows", "mean", "half")
        for name in slices
    ]
    return (
        pl.concat(found)
        .filter(pl.col("num_rows") >= min_rows)
        .select(
            "column",
            "slice",
            "num_rows",
            mean_absolute_error=pl.col("mean").round(6),
            low=(pl.col("mean") - pl.col("half")).clip(0).round(6),
            high=(pl.col("mean") + pl.col("half")).round(6),
        )
        .sort("mean_absolute_error", "column", "slice", descending=[True, False, False])
        .to_dicts()
    )


def ranges(number: pl.Series, shown: Callable[[float], str] = "{:g}".format) -> pl.Series:
    """Each number as the name of its quartile range; equal quartiles are one.

    Args:
        number: Floats; what is missing has no range.
        shown: A range's end in words.
    """
    quantiles = [number.quantile(i / NUM_RANGES) for i in range(1, NUM_RANGES)]
    breaks = sorted({float(value) for value in quantiles if value is not None})
    edges = ["-∞", *map(shown, breaks), "∞"]
    names = [f"({low}, {high}]" for low, high in pairwise(edges)]
    index = pl.Series(breaks).search_sorted(number.fill_null(0.0), side="left")
    found = index.replace_strict(range(len(names)), names, return_dtype=pl.String)
    return pl.select(pl.when(number.is_not_null()).then(found)).to_series()


def _counts(values: pl.Series, name: str, hits: pl.Series) -> pl.DataFrame:
    rows = pl.DataFrame({"slice": values.fill_null(MISSING), "hit": hits.cast(pl.Int64)})
    counts = rows.group_by("slice").agg(num_rows=pl.len().cast(pl.Int64), num_hits=pl.sum("hit"))
    return counts.select(pl.lit(name).alias("column"), "slice", "num_rows", "num_hits")
