"""How well the model decides on parts of the test rows that people would ask for."""

from typing import Any

import polars as pl

from pipeline.core.metrics import slices
from pipeline.core.settings.columns import Columns
from pipeline.tabular.data import dates


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
    return slices.accuracy(_of(table, columns), hits, min_rows)


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
    return slices.mean_absolute_error(_of(table, columns), errors, min_rows)


def _of(table: pl.DataFrame, columns: Columns) -> slices.Slices:
    levels = {name: table[name].cast(pl.String) for name in columns.categorical}
    ordered = (*columns.numeric, *columns.dates)
    return levels | {name: ranges(table[name]) for name in ordered}


def ranges(values: pl.Series) -> pl.Series:
    """Each number, or date, as the name of its quartile range; equal quartiles are one."""
    if values.dtype.is_temporal():
        return slices.ranges(dates.days(values), dates.shown)
    return slices.ranges(values.cast(pl.Float64))
