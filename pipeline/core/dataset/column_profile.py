"""What a column holds: type, missing values, range, most frequent values."""

import math
from typing import Any

import polars as pl

TOP_VALUES = 5


def column(values: pl.Series, is_withheld: bool) -> dict[str, Any]:
    """Name, dtype, missing and distinct counts, range, top values; no value where it is withheld,
    as it names somebody."""
    present = values.drop_nulls()
    top = present.rename("value").value_counts(name="count")
    top = top.sort(["count", "value"], descending=[True, False]).head(TOP_VALUES)
    ordered = (values.dtype.is_numeric() or values.dtype.is_temporal()) and not is_withheld
    top = top.clear() if is_withheld else top
    return {
        "name": values.name,
        "dtype": str(values.dtype),
        "num_missing": values.null_count(),
        "num_distinct": present.n_unique(),
        "min": _plain(values.min()) if ordered else None,
        "max": _plain(values.max()) if ordered else None,
        "top": [
            {"value": _plain(value), "count": count}
            for value, count in zip(top["value"], top["count"], strict=True)
        ],
    }


def _plain(value: Any) -> Any:
    """What JSON can hold: dates and numbers that are not finite become text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, str | int | bool | None) else str(value)
