"""What a delivery's columns hold: of texts their lengths, scripts and copies, and never a text; of
others what a table's do."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import polars as pl

from pipeline.core.dataset.column_profile import TOP_VALUES, column
from pipeline.text.data.personal_data import PERSONAL, masked
from pipeline.text.data.scripts import script
from pipeline.text.data.words import each, is_prose, lengths, same


def columns(table: pl.DataFrame, withheld: Collection[str] = ()) -> list[dict[str, Any]]:
    """One entry per column. Of those `withheld`, and of prose, no value is kept; what is text among
    them is measured."""
    return [_column(table[name], name in withheld) for name in table.columns]


def _column(values: pl.Series, is_withheld: bool) -> dict[str, Any]:
    if values.dtype != pl.String:
        return column(values, is_withheld)
    is_measured = is_withheld or is_prose(values)
    entry = column(values, is_measured)
    return entry | ({"texts": _measured(values, lengths(values))} if is_measured else {})


def _measured(values: pl.Series, words: pl.Series) -> dict[str, Any]:
    there = values.drop_nulls()
    personal: Counter[str] = Counter()
    for text in there:
        personal.update(masked(text)[1])
    counts = each(there, script, pl.String()).fill_null("none").value_counts(name="count")
    counts = counts.sort(["count", values.name], descending=[True, False]).head(TOP_VALUES)
    return {
        "num_empty": int((words == 0).sum()),
        "num_near_duplicates": there.len() - each(there, same, pl.String()).n_unique(),
        "num_characters": _spread(there.str.len_chars()),
        "num_words": _spread(words),
        "scripts": [{"value": value, "count": count} for value, count in counts.iter_rows()],
        "personal_data": {kind: personal[kind] for kind in PERSONAL},
    }


def _spread(lengths: pl.Series) -> dict[str, Any]:
    return {"min": lengths.min(), "median": lengths.median(), "max": lengths.max()}
