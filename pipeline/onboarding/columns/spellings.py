"""How a column is written: its type, the blanks around it, what it writes for missing.

A csv's snapshot is all text; what is read here is read as `core.cleaning.casting` will read it
when the rules are applied. Nothing is changed here, and no value of a column is shown.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import polars as pl

from pipeline.core.dataset.casting import FALSE, TRUE, read_as
from pipeline.onboarding.columns.date_spellings import DateSpelling, date_spelling, read_dates

Kind = Literal["integer", "float", "boolean", "date", "datetime", "text", "empty", "other"]
ALWAYS_MISSING = (
    *("?", "??", "na", "n/a", "n.a.", "nan", "null", "#n/a", "#na", "<na>", "nat", "#null!"),
    *(
        "-",
        "--",
        "---",
        ".",
        "..",
        "…",
        "k.a.",
        "n.d.",
        "(missing)",
        "(null)",
        "#div/0!",
        "#value!",
    ),
)
"""What stands for a missing value wherever it is met, in lower case."""
PERHAPS_MISSING = (
    *("none", "nil", "missing", "unknown", "unk", "unbekannt", "inconnu", "not available"),
    *("not known", "not reported", "not stated", "refused", "undefined", "void", "xna"),
)
"""What stands for a missing value among numbers and dates; among words it may be a level."""
MIN_READABLE = 0.95
"""A column of which fewer values than this are numbers is no column of numbers."""
DECIMALS: tuple[Literal[".", ","] | None, ...] = (None, ".", ",")
CURRENCY = (
    r"^[+-]?\s*(?:[$€£¥₹]|USD|EUR|GBP|CHF|INR|JPY)\s*[+-]?\d|\d\s*(?:[$€£¥₹%‰]|USD|EUR|GBP|CHF)$"
)
"""Numbers with a sign of a currency before or behind, or with a percent sign."""


@dataclass(frozen=True)
class Reading:
    """One column as it can be read.

    Attributes:
        name: Of the column.
        kind: What its values are.
        values: They, with what is missing as null; shape (rows,). Of what stays text, text.
        delivered: Its polars type in the snapshot.
        num_blanks: How many values have blanks around them, or are blank alone.
        codes: What it writes for missing, as it stands once blanks are stripped.
        decimal: What begins the decimals, where its numbers are not written plainly.
        dates: How it writes dates.
        num_failed: How many values cannot be read as `kind` and would become missing.
        is_padded: Whether its digits begin with zeros, as codes do.
        has_signs: Whether its numbers carry signs of a currency, or percent.
        is_ambiguous: Whether a comma may begin decimals or part thousands.
        kept: Words that may mean missing and are kept as levels.
        has_nan: Whether its floats hold what is no number.
    """

    name: str
    kind: Kind
    values: pl.Series
    delivered: pl.DataType
    num_blanks: int = 0
    codes: tuple[str, ...] = ()
    decimal: Literal[".", ","] | None = None
    dates: DateSpelling | None = None
    num_failed: int = 0
    is_padded: bool = False
    has_signs: bool = False
    is_ambiguous: bool = False
    kept: tuple[str, ...] = ()
    has_nan: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it is delivered as text."""
        return self.delivered == pl.String

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "float")

    @property
    def is_date(self) -> bool:
        return self.kind in ("date", "datetime")

    @property
    def num_missing(self) -> int:
        return self.values.null_count()

    @property
    def num_distinct(self) -> int:
        return self.values.drop_nulls().n_unique()


def read(values: pl.Series, keep_words: bool = False) -> Reading:
    """How one column of a snapshot is written.

    Args:
        values: The column.
        keep_words: Whether words such as `unknown` stay levels even beside codes for missing.
    """
    dtype = values.dtype
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return replace(_of_text(values.cast(pl.String), keep_words), delivered=dtype)
    if dtype == pl.String:
        return _of_text(values, keep_words)
    if dtype.is_float() or dtype.is_decimal():
        return _of_floats(values)
    return _of_other(values)


def _of_other(values: pl.Series) -> Reading:
    dtype = values.dtype
    made = partial(Reading, name=values.name, delivered=dtype)
    if values.null_count() == values.len():
        return made(kind="empty", values=values)
    if dtype == pl.Boolean:
        return made(kind="boolean", values=values)
    if dtype.is_integer():
        spelling = _digits_of_dates(values)
        if spelling is None:
            return made(kind="integer", values=values)
        return made(kind="date", values=read_as("date", values, spelling.format), dates=spelling)
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return made(kind="date" if dtype == pl.Date else "datetime", values=values)
    return made(kind="other", values=values)


def _digits_of_dates(values: pl.Series) -> DateSpelling | None:
    """How integers such as 20240131 write dates, where all of them do."""
    known = values.drop_nulls().unique().sort()
    if known[0] < 18_000_101 or known[-1] > 21_991_231 or known.len() < 3:
        return None
    spelling = date_spelling(known.cast(pl.String))
    if spelling is None or read_dates(known.cast(pl.String), spelling).null_count():
        return None
    return spelling


def _of_floats(values: pl.Series) -> Reading:
    """Floats; all of them whole are integers, as pandas makes them of integers with gaps."""
    number = values.cast(pl.Float64)
    has_nan = not number.is_finite().all()
    number = number.set(~number.is_finite(), None)
    made = partial(Reading, name=values.name, delivered=values.dtype, has_nan=has_nan)
    if number.null_count() == number.len():
        return made(kind="empty", values=number)
    whole = read_as("integer", number)
    if whole.null_count() == number.null_count():
        return made(kind="integer", values=whole)
    return made(kind="float", values=number)


def _of_text(values: pl.Series, keep_words: bool) -> Reading:
    stripped = values.str.strip_chars()
    num_blanks = int(((stripped != values) | (stripped == "")).sum())
    text = stripped.set(stripped == "", None)
    counts = text.drop_nulls().rename("value").value_counts(name="count").sort("value")
    lower = counts["value"].str.to_lowercase()
    always, perhaps = lower.is_in(ALWAYS_MISSING), lower.is_in(PERHAPS_MISSING)
    always = always & ~_is_a_level(counts["value"], always)
    made = partial(Reading, name=values.name, delivered=pl.String(), num_blanks=num_blanks)
    if counts.filter(~always).height == 0:
        codes = tuple(counts["value"])
        return made(kind="empty", values=text.set(text.is_not_null(), None), codes=codes)
    known = counts.filter(~(always | perhaps))
    if known.height and (found := _typed(known, made, text)).kind != "text":
        return _without(found, counts.filter(always | perhaps)["value"], text)
    if known.height == 0:
        found = made(kind="text", values=text)
    beside_codes = known.height > 0 and (bool(always.any()) or text.null_count() > 0)
    gone = always | (perhaps & (lower != "none")) if beside_codes and not keep_words else always
    kept = counts.filter(perhaps & ~gone)["value"]
    return replace(_without(found, counts.filter(gone)["value"], text), kept=tuple(kept))


def _is_a_level(values: pl.Series, always: pl.Series) -> pl.Series:
    """Which codes are as likely a level: NA among codes of two capitals, a dash beside a plus."""
    others = values.filter(~always)
    capitals = others.len() > 2 and bool(others.str.contains(r"^[A-Z]{2}$").all())
    signs = others.len() > 0 and bool(others.is_in(["+", "++", "+/-"]).any())
    found = pl.Series([False]).new_from_index(0, values.len())
    if capitals:
        found = found | (values == "NA")
    if signs:
        found = found | values.is_in(["-", "--"])
    return found


def _without(reading: Reading, codes: pl.Series, text: pl.Series) -> Reading:
    """The reading with its values read, the codes missing."""
    cleaned = text.set(text.is_in(codes.implode()), None) if codes.len() else text
    if reading.kind == "text":
        values = cleaned
    elif reading.dates:
        values = read_dates(cleaned, reading.dates)
    else:
        values = read_as(reading.kind, cleaned, None, reading.decimal)
    num_failed = values.null_count() - cleaned.null_count()
    return replace(reading, values=values, codes=tuple(codes.sort()), num_failed=num_failed)


def _typed(counts: pl.DataFrame, made: "partial[Reading]", text: pl.Series) -> Reading:
    """What the distinct values (columns value, count; without codes for missing) are."""
    value = counts["value"]
    if value.len() > 2 and (spelling := date_spelling(value)):
        kind: Kind = "datetime" if spelling.has_time else "date"
        return made(kind=kind, values=text, dates=spelling)
    if value.str.contains(r"^0\d").any() and value.str.contains(r"^\d+$").all():
        return made(kind="text", values=text, is_padded=True)
    lower = value.str.to_lowercase()
    if value.len() > 2 and lower.is_in([*TRUE, *FALSE]).all() and not _only_digits(value):
        return made(kind="boolean", values=text)
    total = int(counts["count"].sum())
    for decimal in DECIMALS:
        number = read_as("float", value, None, decimal)
        share = int(counts.filter(number.is_not_null())["count"].sum()) / total
        if share == 1.0 or (share >= MIN_READABLE and decimal is None):
            kind = _kind_of_numbers(value.filter(number.is_not_null()), decimal)
            both = decimal == "." and read_as("float", value, None, ",").null_count() == 0
            return made(kind=kind, values=text, decimal=decimal, is_ambiguous=both)
    signs = int(counts.filter(value.str.contains(CURRENCY))["count"].sum())
    return made(kind="text", values=text, has_signs=signs >= MIN_READABLE * total)


def _kind_of_numbers(values: pl.Series, decimal: Literal[".", ","] | None) -> Kind:
    """Integers, also where pandas made floats of them for their gaps (`2.0`), or floats."""
    if read_as("integer", values, None, decimal).null_count():
        return "float"
    written = values.filter(values.str.contains(rf"\{decimal or '.'}\d"))
    return "integer" if written.str.contains(r"\.0$").all() else "float"


def _only_digits(values: pl.Series) -> bool:
    return bool(values.str.contains(r"^[\d.]+$").all())
