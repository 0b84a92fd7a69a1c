"""What a table's columns hold: types, missing values, ranges, most frequent values."""

from collections.abc import Collection
from typing import Any

import polars as pl

from pipeline.core.dataset.column_profile import column


def columns(table: pl.DataFrame, withheld: Collection[str] = ()) -> list[dict[str, Any]]:
    """One entry per column: name, dtype, missing and distinct counts, range, top values.

    Of the columns `withheld`, whose values name somebody, no value is kept.
    """
    return [column(table[name], name in withheld) for name in table.columns]
