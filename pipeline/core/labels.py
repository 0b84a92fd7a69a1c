"""What counts as a positive label; the same everywhere, whatever type cleaning gave the target."""

import polars as pl

from pipeline.core.project import Columns


def is_positive(columns: Columns) -> pl.Expr:
    """Whether a row's target, as text, is the positive value; a missing one is not."""
    return (pl.col(columns.target).cast(pl.String) == columns.positive).fill_null(False)


def positives(table: pl.DataFrame, columns: Columns) -> pl.Series:
    """`is_positive` of each row, shape (rows,)."""
    return table.select(is_positive(columns)).to_series()
