"""What makes two rows the same for `split`, so that they share a part."""

import polars as pl

from pipeline.core.settings.columns import Columns


def keys(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The features and the sensitive columns: dropped columns tell no rows apart, so rows that a
    model cannot tell apart share a part."""
    return table.select(list(dict.fromkeys((*columns.features, *columns.sensitive))))
