"""How well the model decides on texts that are short, long, or in another script."""

import polars as pl

from pipeline.core.metrics import slices
from pipeline.core.settings.columns import Columns
from pipeline.text.data.scripts import script
from pipeline.text.data.words import each, lengths


def slices_of(table: pl.DataFrame, columns: Columns) -> slices.Slices:
    """The quartiles of the number of words and, where there are several, the scripts."""
    values = table[str(columns.text)]
    words = slices.ranges(lengths(values).cast(pl.Float64))
    scripts = each(values, script, pl.String())
    return {"num_words": words} | ({"script": scripts} if scripts.n_unique() > 1 else {})
