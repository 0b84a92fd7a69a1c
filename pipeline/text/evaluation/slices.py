"""How well the model decides on texts that are short, long, or in another script."""

from typing import Any

import polars as pl

from pipeline.core.metrics import slices
from pipeline.core.settings.columns import Columns
from pipeline.text.data.scripts import script
from pipeline.text.data.words import each, lengths


def accuracy(
    table: pl.DataFrame, hits: pl.Series, columns: Columns, min_rows: int
) -> list[dict[str, Any]]:
    """Accuracy for each quartile of the number of words and each script, worst first.

    Args:
        table: Test rows.
        hits: Whether each row was decided right, shape (rows,).
        columns: Which of them is the text.
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
        columns: Which of them is the text.
        min_rows: Smaller slices are left out.
    """
    return slices.mean_absolute_error(_of(table, columns), errors, min_rows)


def _of(table: pl.DataFrame, columns: Columns) -> slices.Slices:
    values = table[str(columns.text)]
    words = slices.ranges(lengths(values).cast(pl.Float64))
    scripts = each(values, script, pl.String())
    return {"num_words": words} | ({"script": scripts} if scripts.n_unique() > 1 else {})
