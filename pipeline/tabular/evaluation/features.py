"""A table's features for what is counted and for scikit-learn's trees: codes and quartiles."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.settings.columns import Columns
from pipeline.tabular.data import dates
from pipeline.tabular.evaluation.slices import ranges

MAX_CATEGORIES = 250
"""scikit-learn's trees take at most 255; rarer levels than these share one."""
NUM_BINS = 32
MIN_KNOWN = 20
"""A feature with fewer values says nothing, and may have none in a part of the rows."""
SET = "\0set"
"""A name that no delivered column has."""
MANY_VALUES = 20
"""A number with more values than this is cut at its quartiles where levels are wanted."""


def matrix(
    table: pl.DataFrame, columns: Columns, without: tuple[str, ...] = ()
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The features but for some, shape (rows, features), and which of them are categories.

    A date is its days. Missing is nan. Nothing of a label is used.
    """
    names = [name for name in columns.features if name not in without]
    found = [
        _codes(table[name]) if name in columns.categorical else number(table[name])
        for name in names
    ]
    rows = np.column_stack(found) if found else np.zeros((table.height, 0))
    return rows, np.array([name in columns.categorical for name in names], dtype=bool)


def number(values: pl.Series) -> NDArray[np.float64]:
    """A column's numbers, or the days of its dates; missing is nan."""
    one = dates.days(values) if values.dtype.is_temporal() else values.cast(pl.Float64)
    found: NDArray[np.float64] = one.to_numpy()
    return found


def told(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which features have values enough to be fitted on; the first one where none has.

    scikit-learn's trees fail on a column without any value, also where the rows that they hold back
    have them all.
    """
    known: NDArray[np.bool_] = (~np.isnan(rows)).sum(axis=0) >= min(MIN_KNOWN, len(rows))
    return known if known.any() else np.arange(rows.shape[1]) == 0


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
    values = number(table[name])
    known = values[np.isfinite(values)]
    inner = np.arange(1, NUM_BINS) / NUM_BINS
    edges = np.unique(np.quantile(known, inner)) if len(known) else np.zeros(0)
    code = 1 + np.searchsorted(edges, values, side="left")
    found: NDArray[np.int64] = np.where(np.isnan(values), 0, code).astype(np.int64)
    return found


def coded(table: pl.DataFrame, name: str, columns: Columns) -> dict[str, NDArray[np.int64]]:
    """What tells rows apart by one feature, as codes by name: the feature itself."""
    return {name: binned(table, name, columns)}


def described(table: pl.DataFrame, name: str) -> list[pl.Series]:
    """What can be named of one column, as levels: the column itself."""
    return [levels(table, name)]


def levels(table: pl.DataFrame, name: str) -> pl.Series:
    """One column as the names of its levels: texts, or the quartile ranges of many numbers or
    dates."""
    values = table[name]
    ordered = values.dtype.is_numeric() or values.dtype.is_temporal()
    many = ordered and values.n_unique() > MANY_VALUES
    return (ranges(values) if many else values.cast(pl.String)).fill_null("(missing)").alias(name)


def identical(table: pl.DataFrame, columns: Columns, without: tuple[str, ...]) -> NDArray[np.int64]:
    """The same code for rows that are alike in every feature, some left out; shape (rows,)."""
    names = [name for name in columns.features if name not in without]
    if not names:
        return np.zeros(table.height, dtype=np.int64)
    rows = table.select(names)
    codes = rows.unique(maintain_order=True).with_row_index(SET)
    found = rows.join(codes, on=names, how="left", nulls_equal=True, maintain_order="left")
    return found[SET].to_numpy().astype(np.int64)
