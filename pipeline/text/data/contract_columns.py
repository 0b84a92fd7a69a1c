"""What a contract may name of a text: its length, its script, what it holds, whether it is there
twice.

Beside the column `review` these are `review.num_characters`, `.num_words`, `.is_empty` (it has no
word, or is missing), `.script` (of most letters; missing without one), `.personal_data` (e-mail
addresses, telephone and card numbers found) and `.num_near_duplicates` (how many other rows have
the same words).
"""

import polars as pl

from pipeline.core.settings.columns import Columns
from pipeline.text.data.personal_data import num_found
from pipeline.text.data.scripts import script
from pipeline.text.data.words import each, lengths, same


def measured(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The table with a column for each measure of its text, where it has one."""
    found, name = of_rows(table, columns), columns.text
    if name is None or found.width == table.width:
        return table
    values = table[name].cast(pl.String, strict=False)
    twice = each(values, same, pl.String()).to_frame()
    others = pl.when(pl.col(name).is_not_null()).then(pl.len().over(name).cast(pl.Int64) - 1)
    near = twice.select(others).to_series().alias(f"{name}.num_near_duplicates")
    return found.with_columns(near)


def of_rows(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The table with the measures that say something of each text by itself."""
    name = columns.text
    if name is None or name not in table.columns:
        return table
    values = table[name].cast(pl.String, strict=False)  # what is no text breaks what is asked of it
    words = lengths(values)
    found = {
        "num_characters": values.str.len_chars().cast(pl.Int64),
        "num_words": words,
        "is_empty": words.fill_null(0) == 0,
        "script": each(values, script, pl.String()),
        "personal_data": each(values, num_found, pl.Int64()),
    }
    return table.with_columns(one.alias(f"{name}.{measure}") for measure, one in found.items())
