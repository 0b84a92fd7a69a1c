"""What a table's columns hold: types, missing values, ranges, most frequent values."""

from typing import Any

import polars as pl

TOP_VALUES = 5


def columns(table: pl.DataFrame) -> list[dict[str, Any]]:
    """One entry per column: name, dtype, missing and distinct counts, range, top values."""
    return [_column(table[name]) for name in table.columns]


def _column(values: pl.Series) -> dict[str, Any]:
    top = values.drop_nulls().value_counts(sort=True, name="count")
    top = top.sort(["count", values.name], descending=[True, False]).head(TOP_VALUES)
    ordered = values.dtype.is_numeric() or values.dtype.is_temporal()
    return {
        "name": values.name,
        "dtype": str(values.dtype),
        "num_missing": values.null_count(),
        "num_distinct": values.n_unique(),
        "min": _plain(values.min()) if ordered else None,
        "max": _plain(values.max()) if ordered else None,
        "top": [
            {"value": _plain(value), "count": count}
            for value, count in zip(top[values.name], top["count"], strict=True)
        ],
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
