"""What a contract may name beside a table's columns: nothing, a cell is measured by itself."""

import polars as pl

from pipeline.core.settings.columns import Columns


def measured(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:  # noqa: ARG001 -- as every modality
    """The table as it is."""
    return table
