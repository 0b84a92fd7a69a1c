"""What counts as a positive label; the same everywhere, whatever type cleaning gave the target."""

import polars as pl

from pipeline.core.project import Columns


def positives(table: pl.DataFrame, columns: Columns) -> pl.Series:
    """Whether each row's target, as text, is the positive value; a missing one is not."""
    target = table[columns.target].cast(pl.String)
    return (target == columns.positive).fill_null(False)
