"""A table's features for what is counted and for scikit-learn's trees: codes and quartiles."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.project import Columns
from pipeline.tabular.slices import ranges

MAX_CATEGORIES = 250
"""scikit-learn's trees take at most 255; rarer levels than these share one."""
NUM_BINS = 32
MANY_VALUES = 20
"""A number with more values than this is cut at its quartiles where levels are wanted."""


def matrix(
    table: pl.DataFrame, columns: Columns, without: tuple[str, ...] = ()
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The features but for some, shape (rows, features), and which of them are categories.

    Missing is nan. Nothing of a label is used.
    """
    names = [name for name in columns.features if name not in without]
    found = [
        table[name].cast(pl.Float64).to_numpy() if name in columns.numeric else _codes(table[name])
        for name in names
    ]
    rows = np.column_stack(found) if found else np.zeros((table.height, 0))
    return rows, np.array([name in columns.categorical for name in names], dtype=bool)


def _codes(values: pl.Series) -> NDArray[np.float64]:
    """Levels as numbers from 0, the most frequent first; missing is nan."""
    text = values.cast(pl.String).rename("level")
    counts = text.drop_nulls().value_counts(name="count")
    known = counts.sort(["count", "level"], descending=[True, False])["level"].to_list()
    place = {level: float(min(i, MAX_CATEGORIES)) for i, level in enumerate(known)}
    return text.replace_strict(place, default=None, return_dtype=pl.Float64).to_numpy()


def binned(table: pl.DataFrame, name: str, columns: Columns) -> NDArray[np.int64]:
    """One feature as codes: its categories, or NUM_BINS quantile bins; missing is 0."""
    if name in columns.categorical:
        return (np.nan_to_num(_codes(table[name]), nan=-1.0) + 1).astype(np.int64)
    number = table[name].cast(pl.Float64).to_numpy()
    known = number[np.isfinite(number)]
    inner = np.arange(1, NUM_BINS) / NUM_BINS
    edges = np.unique(np.quantile(known, inner)) if len(known) else np.zeros(0)
    code = 1 + np.searchsorted(edges, number, side="left")
    found: NDArray[np.int64] = np.where(np.isnan(number), 0, code).astype(np.int64)
    return found


def levels(table: pl.DataFrame, name: str) -> pl.Series:
    """One column as the names of its levels: texts, or the quartile ranges of many numbers."""
    values = table[name]
    many = values.dtype.is_numeric() and values.n_unique() > MANY_VALUES
    return (ranges(values) if many else values.cast(pl.String)).fill_null("(missing)").alias(name)


def identical(table: pl.DataFrame, columns: Columns, without: tuple[str, ...]) -> NDArray[np.int64]:
    """The same code for rows that are alike in every feature, some left out; shape (rows,)."""
    names = [name for name in columns.features if name not in without]
    if not names:
        return np.zeros(table.height, dtype=np.int64)
    rows = table.select(names)
    codes = rows.unique(maintain_order=True).with_row_index("_set")
    found = rows.join(codes, on=names, how="left", nulls_equal=True, maintain_order="left")
    return found["_set"].to_numpy().astype(np.int64)
