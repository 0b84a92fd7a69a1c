"""What makes two texts the same for `split`, so that they share a part."""

import polars as pl

from pipeline.core.settings.columns import Columns
from pipeline.text.data.words import each, same


def keys(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The words of the text, whatever their case, punctuation and blanks; nothing else tells two
    rows apart. Texts that differ in one word are two."""
    return table.select(each(table[str(columns.text)], same, pl.String()))
