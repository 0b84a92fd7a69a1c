"""What a delivery's columns hold: of images their forms, sizes and bytes, of others what a table's
do."""

from collections.abc import Collection, Iterable
from typing import Any

import polars as pl

from pipeline.core.dataset.column_profile import TOP_VALUES, column
from pipeline.image.data.facts import facts


def columns(table: pl.DataFrame, withheld: Collection[str] = ()) -> list[dict[str, Any]]:
    """One entry per column; of images, which are the columns of bytes, no value, but counts by
    format, mode and size."""
    return [
        _images(table[name])
        if table.schema[name] == pl.Binary
        else column(table[name], name in withheld)
        for name in table.columns
    ]


def _images(values: pl.Series) -> dict[str, Any]:
    known = [one for one in facts(values, "images read") if one is not None]
    headers = [one.header for one in known if one.header]
    sizes = [f"{one.width} × {one.height}" for one in headers]
    num_bytes = pl.Series([one.num_bytes for one in known], dtype=pl.Int64)
    return {
        "name": values.name,
        "dtype": str(values.dtype),
        "num_missing": values.null_count(),
        "num_distinct": values.drop_nulls().n_unique(),
        "min": None,
        "max": None,
        "top": [],
        "images": {
            "num_undecodable": sum(not one.is_decodable for one in known),
            "num_beyond_limits": sum(not one.is_within_limits for one in headers),
            "formats": _counts(one.format for one in headers),
            "modes": _counts(one.mode for one in headers),
            "num_sizes": len(set(sizes)),
            "sizes": _counts(sizes),
            "bytes": {"min": num_bytes.min(), "median": num_bytes.median(), "max": num_bytes.max()},
        },
    }


def _counts(values: Iterable[str]) -> list[dict[str, Any]]:
    """The most frequent values with their counts; ties in the order of the values."""
    counts = pl.Series("value", list(values), dtype=pl.String).value_counts()
    top = counts.sort(["count", "value"], descending=[True, False]).head(TOP_VALUES)
    return [{"value": value, "count": count} for value, count in top.iter_rows()]
