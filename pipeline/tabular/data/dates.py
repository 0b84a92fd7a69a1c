"""Dates as numbers, from each row's own date alone: nothing refers to today or to other rows.

A time with a zone is taken as UTC, as the cleaning rule `cast` reads it.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from pipeline.core.dataset.casting import DTYPES, without_zone

EPOCH = date(1970, 1, 1)
OF_A_DATE = ("days since 1970-01-01", "month", "day of month", "weekday")
HOUR = "hour"


def parts_of(values: pl.Series) -> list[str]:
    """The parts that a column of dates has; times that are all at midnight have no hour."""
    has_hours = values.dtype == pl.Datetime and bool((_moment(values).dt.hour() != 0).any())
    return [*OF_A_DATE, *([HOUR] if has_hours else [])]


def parts(values: pl.Series, names: Sequence[str]) -> list[pl.Series]:
    """Some of a date's parts as numbers (Float64); Monday is 1, missing is null."""
    moment = _moment(values)
    of = {
        OF_A_DATE[0]: lambda: moment.dt.date().to_physical(),
        OF_A_DATE[1]: moment.dt.month,
        OF_A_DATE[2]: moment.dt.day,
        OF_A_DATE[3]: moment.dt.weekday,
        HOUR: moment.dt.hour,
    }
    return [of[name]().cast(pl.Float64) for name in names]


def days(values: pl.Series) -> pl.Series:
    """Days since 1970-01-01 (Float64)."""
    return parts(values, OF_A_DATE[:1])[0]


def shown(day: float) -> str:
    """A day as ISO 8601 writes it."""
    return (EPOCH + timedelta(days=int(day))).isoformat()


def _moment(values: pl.Series) -> pl.Series:
    return without_zone(values).cast(DTYPES["datetime"])
