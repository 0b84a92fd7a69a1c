"""In which format a column of text writes dates or times.

A format must read every value. Which of day and month comes first is decided by values above 12;
where none is, by which place is always the first of the month; else it is not decided.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.core.dataset.casting import read_as
from pipeline.onboarding.columns.shares import share_matching

FIRST_YEAR, LAST_YEAR = 1800, 2200
SAMPLE = 200
MIN_SHARE = 0.95
"""A column of which fewer values than this are dates is no column of dates."""
ANY_DATE = r"^(?:\w{1,9}[-/. ]\w{1,9}[-/., ]+\d{2,4}.*|\d{8}|\w{2,4}[-/ ]\d{2,4})$"
"""What every shape below looks like: most columns are no dates, and are told so at once."""
SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"^\d{4}-\d{1,2}-\d{1,2}$", ("%Y-%m-%d",)),
    (r"^\d{4}/\d{1,2}/\d{1,2}$", ("%Y/%m/%d",)),
    (r"^\d{4}\.\d{1,2}\.\d{1,2}$", ("%Y.%m.%d",)),
    (r"^\d{1,2}/\d{1,2}/\d{4}$", ("%d/%m/%Y", "%m/%d/%Y")),
    (r"^\d{1,2}-\d{1,2}-\d{4}$", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"^\d{1,2}\.\d{1,2}\.\d{4}$", ("%d.%m.%Y", "%m.%d.%Y")),
    (r"^\d{1,2}/\d{1,2}/\d{2}$", ("%d/%m/%y", "%m/%d/%y")),
    (r"^\d{1,2}-\d{1,2}-\d{2}$", ("%d-%m-%y", "%m-%d-%y")),
    (r"^\d{1,2}\.\d{1,2}\.\d{2}$", ("%d.%m.%y",)),
    (r"^\d{1,2} [A-Za-z]{3} \d{4}$", ("%d %b %Y",)),
    (r"^\d{1,2} [A-Za-z]{3,} \d{4}$", ("%d %B %Y",)),
    (r"^\d{1,2}-[A-Za-z]{3}-\d{4}$", ("%d-%b-%Y",)),
    (r"^\d{1,2}-[A-Za-z]{3}-\d{2}$", ("%d-%b-%y",)),
    (r"^[A-Za-z]{3} \d{1,2}, \d{4}$", ("%b %d, %Y",)),
    (r"^[A-Za-z]{3,} \d{1,2}, \d{4}$", ("%B %d, %Y",)),
    (r"^\d{4}-\d{2}$", ("%Y-%m",)),
    (r"^\d{4}/\d{2}$", ("%Y/%m",)),
    (r"^\d{2}/\d{4}$", ("%m/%Y",)),
    (r"^[A-Za-z]{3}-\d{4}$", ("%b-%Y",)),
    (r"^[A-Za-z]{3} \d{4}$", ("%b %Y",)),
    (r"^[A-Za-z]{3}-\d{2}$", ("%b-%y",)),
    (r"^(?:18|19|20|21)\d{6}$", ("%Y%m%d",)),
)
NUM_WITH_DAYS = 15
"""The first shapes write days with signs between; a time of day may follow them."""
TIMES: tuple[tuple[str, str], ...] = (
    (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S"),
    (r"\d{1,2}:\d{2}:\d{2}\.\d+", "%H:%M:%S%.f"),
    (r"\d{1,2}:\d{2}", "%H:%M"),
    (r"\d{1,2}:\d{2} [AaPp][Mm]", "%I:%M %p"),
    (r"\d{1,2}:\d{2}:\d{2} [AaPp][Mm]", "%I:%M:%S %p"),
)


@dataclass(frozen=True)
class DateSpelling:
    """How a column writes dates.

    Attributes:
        format: As strptime has it; None of ISO 8601.
        has_time: Whether it writes times of day as well.
        other: The format that reads every value as well, day and month exchanged; None where the
            values decide.
    """

    format: str | None
    has_time: bool
    other: str | None = None

    @property
    def kind(self) -> str:
        return "datetime" if self.has_time else "date"


def date_spelling(values: pl.Series) -> DateSpelling | None:
    """How `values` (distinct texts, none missing) write dates; None where they do not."""
    head = values.head(SAMPLE)
    if share_matching(head, ANY_DATE) < MIN_SHARE:
        return None
    for pattern, formats, has_time in _shapes():
        if share_matching(head, pattern) < MIN_SHARE:
            continue
        ways = [DateSpelling(one, has_time) for one in formats]
        counts = [values.len() - read_dates(values, way).null_count() for way in ways]
        if max(counts) < MIN_SHARE * values.len():
            continue
        fitting = [way for way, count in zip(ways, counts, strict=True) if count == max(counts)]
        return fitting[0] if len(fitting) == 1 else _by_the_first_of_the_month(values, fitting)
    return None


def read_dates(values: pl.Series, spelling: DateSpelling) -> pl.Series:
    """`values` as dates or times; what cannot be read, or lies outside of history, is null."""
    read = read_as(spelling.kind, values, spelling.format)
    return read.set(~read.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(True), None)


def _shapes() -> list[tuple[str, tuple[str | None, ...], bool]]:
    """Each pattern with the formats that it may be in, dates first, then dates with times."""
    iso = r"^\d{4}-\d{2}-\d{2}"
    zone = r"(?:[Zz]|[+-]\d{2}:?\d{2})?$"
    found: list[tuple[str, tuple[str | None, ...], bool]] = [
        (iso + "$", (None,), False),
        (iso + r"[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?" + zone, (None,), True),
    ]
    found += [(pattern, formats, False) for pattern, formats in SHAPES]
    for pattern, formats in SHAPES[:NUM_WITH_DAYS]:
        for time, written in TIMES:
            whole = f"{pattern.removesuffix('$')} {time}$"
            found.append((whole, tuple(f"{one} {written}" for one in formats), True))
    return found


def _by_the_first_of_the_month(values: pl.Series, ways: list[DateSpelling]) -> DateSpelling:
    """Of two ways that read all, the one in which every date is the first of its month."""
    for way in ways:
        days = read_dates(values, way).drop_nulls().dt.day()
        if days.len() > 2 and days.n_unique() == 1:
            return way
    return DateSpelling(ways[0].format, ways[0].has_time, other=ways[1].format)
