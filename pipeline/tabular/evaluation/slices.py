"""How well the model decides on parts of the test rows that people would ask for."""

import polars as pl

from pipeline.core.metrics import slices
from pipeline.core.settings.columns import Columns
from pipeline.tabular.data import dates


def slices_of(table: pl.DataFrame, columns: Columns) -> slices.Slices:
    """The levels of each category, and the quartiles of each number or date."""
    levels = {name: table[name].cast(pl.String) for name in columns.categorical}
    ordered = (*columns.numeric, *columns.dates)
    return levels | {name: ranges(table[name]) for name in ordered}


def ranges(values: pl.Series) -> pl.Series:
    """Each number, or date, as the name of its quartile range; equal quartiles are one."""
    if values.dtype.is_temporal():
        return slices.ranges(dates.days(values), dates.shown)
    return slices.ranges(values.cast(pl.Float64))
