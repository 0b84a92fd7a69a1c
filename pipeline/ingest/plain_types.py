"""The types that the pipeline knows: text, numbers, booleans, dates and times without a zone.

| delivered | becomes |
|---|---|
| categories, enumerations | text |
| decimals, 128-bit whole numbers | 64-bit floating point |
| times with a zone | the same moment in UTC, without the zone |
| durations, times of day | seconds |
| columns of nothing but missing values | text |
"""

from collections.abc import Collection

import polars as pl

from pipeline.core.errors import ProjectError


def plain(table: pl.LazyFrame, source: str, images: Collection[str] = ()) -> pl.LazyFrame:
    """The table with each column in a type that the pipeline knows.

    Args:
        table: As delivered.
        source: What messages begin with.
        images: Columns that may hold bytes.

    Raises:
        ProjectError: a column holds lists, structures or bytes; the message names each.
    """
    schema = table.collect_schema()
    refused = [
        f"column {name!r} holds {_kind(dtype)}"
        for name, dtype in schema.items()
        if _kind(dtype) and not (dtype == pl.Binary and name in images)
    ]
    if refused:
        raise ProjectError(
            f"{source}: expected numbers, text, booleans, dates or times in each "
            f"column, found {len(refused)} of another kind",
            findings=refused,
            hint="leave them out at the source, or make a column of each part; of a project of "
            "images `columns.image` names the one of bytes",
        )
    return table.with_columns(
        cast for name, dtype in schema.items() if (cast := _cast(name, dtype)) is not None
    )


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List | pl.Array):
        return "lists"
    if isinstance(dtype, pl.Struct):
        return "structures"
    if dtype == pl.Binary:
        return "bytes"
    known = dtype.is_numeric() or dtype.is_temporal()
    others = (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null)
    return "" if known or isinstance(dtype, others) else str(dtype)


def _cast(name: str, dtype: pl.DataType) -> pl.Expr | None:
    """How the column becomes plain; None where it is."""
    column = pl.col(name)
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Decimal | pl.Int128 | pl.UInt128 | pl.Float16):
        return column.cast(pl.Float64)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if isinstance(dtype, pl.Duration):
        return column.dt.total_microseconds() / 1e6
    if isinstance(dtype, pl.Time):
        return column.cast(pl.Int64) / 1e9
    return None
