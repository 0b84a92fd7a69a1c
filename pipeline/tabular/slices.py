"""How well the model decides on parts of the test rows that people would ask for."""

from itertools import pairwise
from typing import Any

import polars as pl

from pipeline.core.intervals import wilson
from pipeline.core.project import Columns
from pipeline.tabular import dates

NUM_RANGES = 4
ERROR = "\0error"
"""A name that no delivered column has."""


def accuracy(
    table: pl.DataFrame, hits: pl.Series, columns: Columns, min_rows: int
) -> list[dict[str, Any]]:
    """Accuracy for each level of each category and each quartile of each number or date, worst
    first.

    Args:
        table: Test rows.
        hits: Whether each row was decided right, shape (rows,).
        columns: The features' roles.
        min_rows: Smaller slices are left out.
    """
    found = pl.concat(
        [_by(table[name].cast(pl.String), name, hits) for name in columns.categorical]
        + [_by(ranges(table[name]), name, hits) for name in (*columns.numeric, *columns.dates)]
    ).filter(pl.col("num_rows") >= min_rows)
    low, high = wilson(found["num_hits"].to_numpy(), found["num_rows"].to_numpy())
    found = found.with_columns(
        accuracy=(pl.col("num_hits") / pl.col("num_rows")).round(6),
        low=pl.Series(low).round(6),
        high=pl.Series(high).round(6),
    )
    return found.sort("accuracy", "column", "slice").drop("num_hits").to_dicts()


def mean_absolute_error(
    table: pl.DataFrame, errors: pl.Series, columns: Columns, min_rows: int
) -> list[dict[str, Any]]:
    """Mean absolute error for the same slices, the largest first, with normal 95% intervals.

    Args:
        table: Test rows.
        errors: Absolute error of each row, shape (rows,).
        columns: The features' roles.
        min_rows: Smaller slices are left out.
    """
    ordered = (*columns.numeric, *columns.dates)
    wide = table.select(
        *(pl.col(name).cast(pl.String).fill_null("(missing)") for name in columns.categorical),
        *(ranges(table[name]).fill_null("(missing)").alias(name) for name in ordered),
    ).with_columns(errors.alias(ERROR))
    found = [
        wide.group_by(pl.col(name).alias("slice"))
        .agg(
            num_rows=pl.len().cast(pl.Int64),
            mean=pl.mean(ERROR),
            half=1.959964 * pl.std(ERROR).fill_null(0.0) / pl.len().sqrt(),
        )
        .select(pl.lit(name).alias("column"), "slice", "num_rows", "mean", "half")
        for name in (*columns.categorical, *ordered)
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


def _by(values: pl.Series, name: str, hits: pl.Series) -> pl.DataFrame:
    rows = pl.DataFrame({"slice": values.fill_null("(missing)"), "hit": hits.cast(pl.Int64)})
    counts = rows.group_by("slice").agg(num_rows=pl.len().cast(pl.Int64), num_hits=pl.sum("hit"))
    return counts.select(pl.lit(name).alias("column"), "slice", "num_rows", "num_hits")


def ranges(values: pl.Series) -> pl.Series:
    """Each number, or date, as the name of its quartile range; equal quartiles are one."""
    is_date = values.dtype.is_temporal()
    number = dates.days(values) if is_date else values.cast(pl.Float64)
    quantiles = [number.quantile(i / NUM_RANGES) for i in range(1, NUM_RANGES)]
    breaks = sorted({float(value) for value in quantiles if value is not None})
    edges = ["-∞", *(dates.shown(value) if is_date else f"{value:g}" for value in breaks), "∞"]
    names = [f"({low}, {high}]" for low, high in pairwise(edges)]
    index = pl.Series(breaks).search_sorted(number.fill_null(0.0), side="left")
    ranges = index.replace_strict(range(len(names)), names, return_dtype=pl.String)
    return pl.select(pl.when(number.is_not_null()).then(ranges)).to_series()
