"""Read a column's values as another type, each by itself; what cannot be read so is null."""

import re

import polars as pl

from pipeline.core.errors import ProjectError

DTYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "integer": pl.Int64,
    "float": pl.Float64,
    "boolean": pl.Boolean,
    "text": pl.String,
    "date": pl.Date,
    "datetime": pl.Datetime("us"),
}
# Both signs of a boolean as files have them: programs' own words, answers to forms, and a number
# that pandas wrote as a float; English, German, French, Spanish, Italian. One sign alone, such as
# an x beside blanks, is none: a blank may be a missing answer.
TRUE = (
    "true",
    "t",
    "yes",
    "y",
    "on",
    "1",
    "1.0",
    "wahr",
    "ja",
    "j",
    "vrai",
    "oui",
    "si",
    "sí",
    "sì",
)
FALSE = ("false", "f", "no", "n", "off", "0", "0.0", "falsch", "nein", "faux", "non")
ISO_DATE = ("%Y-%m-%d",)
ISO_DATETIME = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
ISO_WITH_OFFSET = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
BLANKS_AND_APOSTROPHES = " \u00a0\u202f'’"
"""What else tells thousands apart, beside the sign that does not begin the decimals."""
WHOLE_BELOW = 2.0**53
"""Floats from here on are not exact whole numbers."""


def read_as(
    kind: str, values: pl.Series, how: str | None = None, decimal: str | None = None
) -> pl.Series:
    """`values` as `kind`, a key of DTYPES; what cannot be read so is null.

    Args:
        kind: The type.
        values: What is to be read.
        how: Of a date or time in text, its format; ISO 8601 without one.
        decimal: Of a number in text, what begins its decimals; with it, thousands are read.

    Raises:
        ProjectError: the format is none, or a number is to be a date and no format says how.
    """
    if kind in ("date", "datetime"):
        return _moments(kind, values, how)
    if kind == "boolean" and values.dtype == pl.String:
        return _booleans(values)
    if kind == "boolean" and values.dtype.is_numeric():
        values = values.set(~values.is_in([0, 1]), None)
    if kind in ("integer", "float") and values.dtype == pl.String:
        return _numbers(kind, values, decimal)
    if kind == "integer" and values.dtype.is_float():
        values = _whole(values)
    read = values.cast(DTYPES[kind], strict=False)
    return read.set(~read.is_finite(), None) if read.dtype.is_float() else read


def _booleans(values: pl.Series) -> pl.Series:
    text = values.str.strip_chars().str.to_lowercase()
    known = pl.when(text.is_in(TRUE)).then(True).when(text.is_in(FALSE)).then(False)
    return pl.select(known.alias(values.name)).to_series()


def _numbers(kind: str, text: pl.Series, decimal: str | None) -> pl.Series:
    """Numbers from text. One that is written with decimals, and is whole, is an integer too."""
    text = text.str.strip_chars()
    if decimal:
        text = _plainly_written(text, decimal)
    number = text.cast(pl.Float64, strict=False)
    number = number.set(~number.is_finite(), None)
    if kind == "float":
        return number
    exact = text.cast(pl.Int64, strict=False)
    return exact.zip_with(exact.is_not_null(), _whole(number).cast(pl.Int64, strict=False))


def _plainly_written(text: pl.Series, decimal: str) -> pl.Series:
    """Numbers with a point and without thousands; what is no number in this writing is null."""
    other = {".": ",", ",": "."}[decimal]
    signs = f"{other}{BLANKS_AND_APOSTROPHES}"
    grouped = rf"\d{{1,3}}(?:[{signs}]\d{{3}})+"
    written = rf"^[+-]?(?:{grouped}|\d+|)(?:\{decimal}\d*)?(?:[eE][+-]?\d+)?$"
    text = text.set(~text.str.contains(written), None)
    plain = text.str.replace_all(rf"[{signs}]", "")
    return plain.str.replace(decimal, ".", literal=True)


def _whole(number: pl.Series) -> pl.Series:
    return number.set((number.floor() != number) | (number.abs() >= WHOLE_BELOW), None)


def _moments(kind: str, values: pl.Series, how: str | None) -> pl.Series:
    """Dates and times, without a zone: those with one are read as UTC."""
    if values.dtype in (pl.Date, pl.Datetime):
        return without_zone(values).cast(DTYPES[kind])
    if values.dtype.is_numeric() and how is not None:
        whole = _whole(values) if values.dtype.is_float() else values
        values = whole.cast(pl.Int64).cast(pl.String)
    if values.dtype == pl.Null:
        return values.cast(DTYPES[kind])
    if values.dtype != pl.String:
        raise ProjectError(
            f"expected text or a date in {values.name!r} to read as {kind}, found {values.dtype}",
            hint=f"say under `formats` of the rule how its numbers are written: {values.name}: "
            '"%Y%m%d"',
        )
    text = values.str.strip_chars()
    if how is not None:
        return _parsed(text, kind, how)
    formats = ISO_DATE if kind == "date" else (*ISO_DATETIME, *ISO_WITH_OFFSET)
    if kind == "datetime":
        text = text.str.replace(r"^(\S{10})[ t]", "${1}T").str.replace("[zZ]$", "+00:00")
    read = pl.Series(values.name, [None], DTYPES[kind]).new_from_index(0, values.len())
    for one in formats:
        if (read.is_null() & text.is_not_null()).any():
            read = read.zip_with(read.is_not_null(), _parsed(text, kind, one))
    return read


def _parsed(text: pl.Series, kind: str, how: str) -> pl.Series:
    """Text that is written in one way, all of it."""
    try:
        if kind == "date" and not re.search("%[-_0]?[djeDFxvs]", how):
            text, how = (
                ("1 " + text).alias(text.name),
                f"%d {how}",
            )  # a month is the day that it begins
        if kind == "date":
            return text.str.to_date(how, strict=False)
        read = text.str.to_datetime(how, time_unit="us", strict=False)
    except pl.exceptions.PolarsError:
        raise ProjectError(
            f"formats.{text.name}: expected a format of strptime that gives a {kind}, got {how!r}",
            hint='for instance "%d.%m.%Y" for 31.12.2024, "%m/%d/%Y %H:%M" for 12/31/2024 23:59',
        ) from None
    return without_zone(read).cast(DTYPES[kind])


def without_zone(values: pl.Series) -> pl.Series:
    """Times with a zone as UTC, without it; dates, and other times, as they are."""
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        return values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return values
