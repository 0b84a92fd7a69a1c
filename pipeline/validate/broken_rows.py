"""Which rows break an expectation, for the expectations that are about single rows.

Great Expectations says whether and how many; this says which, so that two expectations that the
same rows break are told as one thing.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

Kwargs = dict[str, Any]


def broken_rows(entry: dict[str, Any], table: pl.DataFrame) -> pl.Series | None:
    """A mask of `table`'s rows; None where the expectation is about no single row, has a condition,
    names a column that is absent, or cannot be asked of the column's type."""
    kwargs = entry["kwargs"]
    test = _TESTS.get(entry["type"].removeprefix("expect_column_"))
    names = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    if test is None or kwargs.get("row_condition") or set(names) - set(table.columns):
        return None
    mask = test(table.select(names), kwargs)
    return None if mask is None else mask.fill_null(False)


def new_values(values: pl.Series, known: list[Any]) -> pl.DataFrame:
    """The values that are not `known`, and how often each was met (`count`), falling."""
    counts, allowed = values.drop_nulls().value_counts(sort=False), set(known)
    is_new = [value not in allowed for value in counts[values.name].to_list()]
    found = counts.filter(pl.Series(is_new, dtype=pl.Boolean))
    return found.sort(["count", values.name], descending=[True, False])


def _column(table: pl.DataFrame) -> pl.Series:
    return table.to_series(0)


def _in_set(table: pl.DataFrame, kwargs: Kwargs) -> pl.Series:
    values = _column(table)
    new = new_values(values, kwargs["value_set"])[values.name]
    return values.is_in(new.implode())


def _not_in_set(table: pl.DataFrame, kwargs: Kwargs) -> pl.Series:
    return _column(table).is_not_null() & ~_in_set(table, kwargs)


def _not_null(table: pl.DataFrame, _: Kwargs) -> pl.Series:
    return _column(table).is_null()


def _unique(table: pl.DataFrame, _: Kwargs) -> pl.Series:
    values = _column(table)
    return values.is_duplicated() & values.is_not_null()


def _between(table: pl.DataFrame, kwargs: Kwargs) -> pl.Series | None:
    values = _column(table)
    if not values.dtype.is_numeric():
        return None
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    outside = pl.Series([False]).new_from_index(0, values.len())
    if low is not None:
        outside |= values <= low if kwargs.get("strict_min") else values < low
    if high is not None:
        outside |= values >= high if kwargs.get("strict_max") else values > high
    return outside


def _regex(table: pl.DataFrame, kwargs: Kwargs) -> pl.Series | None:
    values = _column(table)
    if values.dtype != pl.String:
        return None
    try:
        return ~values.str.contains(kwargs["regex"])
    except pl.exceptions.ComputeError:  # Python's patterns know more than polars'
        return None


def _not_regex(table: pl.DataFrame, kwargs: Kwargs) -> pl.Series | None:
    broken = _regex(table, kwargs)
    return None if broken is None else ~broken


def _pairs(table: pl.DataFrame, kwargs: Kwargs) -> pl.Series:
    allowed = {(first, second) for first, second in kwargs["value_pairs_set"]}
    first, second = table.columns
    seen = table.unique()
    is_new = [row not in allowed for row in seen.rows()]
    new = seen.with_columns(broken=pl.Series(is_new, dtype=pl.Boolean))
    joined = table.join(
        new, on=[first, second], how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["broken"]


def _ordered(table: pl.DataFrame, kwargs: Kwargs) -> pl.Series | None:
    first, second = table.to_series(0), table.to_series(1)
    if first.dtype != second.dtype and not (first.dtype.is_numeric() and second.dtype.is_numeric()):
        return None
    return first < second if kwargs.get("or_equal") else first <= second


def _equal(table: pl.DataFrame, _: Kwargs) -> pl.Series | None:
    first, second = table.to_series(0), table.to_series(1)
    return first != second if first.dtype == second.dtype else None


_TESTS: dict[str, Callable[[pl.DataFrame, Kwargs], pl.Series | None]] = {
    "values_to_be_in_set": _in_set,
    "values_to_not_be_in_set": _not_in_set,
    "values_to_not_be_null": _not_null,
    "values_to_be_unique": _unique,
    "values_to_be_between": _between,
    "values_to_match_regex": _regex,
    "values_to_not_match_regex": _not_regex,
    "pair_values_to_be_in_set": _pairs,
    "pair_values_a_to_be_greater_than_b": _ordered,
    "pair_values_to_be_equal": _equal,
}
