"""What each column is for, by its name and its values: the rules are tried in their order.

A reason never holds a value: the column may turn out to be sensitive or identifying.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from pipeline.onboarding.columns import codes, contacts
from pipeline.onboarding.columns.naming import is_of, names_an_identifier
from pipeline.onboarding.columns.proposal import Role
from pipeline.onboarding.columns.shares import SAMPLE, highest, lowest, mean, share_matching
from pipeline.onboarding.columns.spellings import Reading

MIN_UNIQUE = 0.98
"""A column named as an identifier names rows where at least this share of values is its own."""
MIN_KEYS = 20
"""Fewer values than this are no key of groups, whatever the name says."""
MAX_LEVEL_SHARE = 0.5
"""Text with more distinct values than this share of the rows has too few rows for each."""
FREE_TEXT_WORDS, FREE_TEXT_SHARE = 4.0, 0.3
"""Text is free with this many words on average, and this share of the rows distinct."""
IN_CODE = "|".join(
    (
        r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
        r"^[0-9a-fA-F]{16,}$",
        r"^[A-Za-z]{0,4}[-_]?\d{4,}$",
        r"^(?:[A-Za-z]+\d|\d+[A-Za-z])[A-Za-z0-9_-]{2,}$",
    )
)
"""UUIDs, digests, and letters with digits."""


@dataclass(frozen=True)
class Assigned:
    """A role with its reason, and whether the column repeats as the key of groups."""

    role: Role
    reason: str
    is_key: bool = False


def assign(
    readings: Iterable[Reading], *, target: str, sensitive: tuple[str, ...]
) -> dict[str, Assigned]:
    """The role of each column but the target and the sensitive ones.

    A project has one identifier and one column of weights; what else looks so is dropped.
    """
    readings = list(readings)
    names = tuple(reading.name for reading in readings)
    found = {
        reading.name: role_of(reading, names)
        for reading in readings
        if reading.name != target and reading.name not in sensitive
    }
    best = _best_identifier(found, {reading.name: reading for reading in readings})
    for role, kept in (("identifier", best), ("weight", _first(found, "weight"))):
        for name, assigned in found.items():
            if assigned.role == role and name != kept:
                why = f"{assigned.reason}; {kept!r} is the project's {role}"
                found[name] = Assigned("drop", why, assigned.is_key)
    return found


def role_of(reading: Reading, names: tuple[str, ...]) -> Assigned:
    """The role of one column, by the first rule that has something to say.

    Args:
        reading: The column.
        names: Of all columns: height beside weight makes a weight one of a body.
    """
    if reading.is_number and is_of(reading.name, "weight"):
        return _weight(reading)
    for rule in RULES:
        if assigned := rule(reading):
            return assigned
    if is_bare_weight(reading) and not _of_bodies(names) and _mean_is_one(reading):
        return Assigned("weight", "named as a weight, positive, with a mean of 1")
    return _by_type(reading)


def _weight(reading: Reading) -> Assigned:
    if lowest(reading.values) < 0:
        return Assigned("numeric", "named as a weight, but some are negative: a number")
    return Assigned("weight", "named as the weight that a survey gives a row, and never negative")


def is_bare_weight(reading: Reading) -> bool:
    """Whether the name says `weight` and nothing tells a survey's from a body's."""
    return reading.is_number and is_of(reading.name, "weight_perhaps")


def _of_bodies(names: tuple[str, ...]) -> bool:
    return any(is_of(name, "body") for name in names)


def _mean_is_one(reading: Reading) -> bool:
    return lowest(reading.values) > 0 and abs(mean(reading.values) - 1) < 0.05


def _empty(reading: Reading) -> Assigned | None:
    if reading.kind == "empty":
        return Assigned("drop", "no row has a value")
    if reading.kind == "other":
        return Assigned("drop", f"of type {reading.delivered}, which is no number, date or text")
    return None


def _constant(reading: Reading) -> Assigned | None:
    if reading.num_distinct > 1:
        return None
    if reading.num_missing:
        num = reading.values.len() - reading.num_missing
        return Assigned("drop", f"constant: the same value in all {num} rows that have one")
    return Assigned("drop", "constant: the same value in every row")


def _contact(reading: Reading) -> Assigned | None:
    what = contacts.kind_of(reading)
    return Assigned("drop", f"names people: {what}") if what else None


def _identifier(reading: Reading) -> Assigned | None:
    if reading.kind not in ("integer", "text") or reading.num_distinct < MIN_KEYS:
        return None
    known = reading.values.drop_nulls()
    share = reading.num_distinct / known.len()
    named = names_an_identifier(reading.name)
    if named and share >= MIN_UNIQUE and not is_of(reading.name, "running"):
        return Assigned(
            "identifier", f"named as an identifier, {share:.0%} of its values are unique"
        )
    if share == 1.0 and known.len() == reading.values.len() and is_running(reading):
        return Assigned("drop", "a running number: it says where a row stands, nothing about it")
    nameless = _is_nameless(reading)
    if share >= MIN_UNIQUE and (nameless or is_of(reading.name, "running")):
        named_so = "without a name" if nameless else "named as a running number"
        return Assigned("drop", f"{named_so}, and unique: it names rows")
    if share >= MIN_UNIQUE and reading.kind == "text" and _is_in_code(known):
        return Assigned("identifier", f"written as a code, {share:.0%} of its values are unique")
    if named and share >= 0.02 and reading.num_missing == 0 and not is_of(reading.name, "code"):
        why = (
            f"named as an identifier, each of its {reading.num_distinct} values in "
            f"{1 / share:.1f} rows on average"
        )
        return Assigned("identifier", why, is_key=True)
    return None


def _is_nameless(reading: Reading) -> bool:
    """Whether the column has no name; one that reading named `column_1` for want of one, in a file
    with or without a header, labels rows where its whole numbers ascend."""
    if reading.name == "column_1":
        return reading.kind == "integer" and reading.values.is_sorted()
    return not reading.name.strip()


def is_running(reading: Reading) -> bool:
    """Whether the values are whole numbers without a gap, each once."""
    if reading.kind != "integer":
        return False
    span = highest(reading.values) - lowest(reading.values) + 1
    return span == reading.values.len()


def _is_in_code(known: pl.Series) -> bool:
    return share_matching(known, IN_CODE) >= 0.95


def _free_text(reading: Reading) -> Assigned | None:
    if reading.kind != "text":
        return None
    known = reading.values.drop_nulls()
    share = reading.num_distinct / known.len()
    words = num_words(known)
    if words >= FREE_TEXT_WORDS and share >= FREE_TEXT_SHARE and reading.num_distinct > MIN_KEYS:
        return Assigned(
            "drop",
            f"free text: {words:.0f} words on average, {share:.0%} distinct; it is left out until "
            "text is a modality of its own",
        )
    if reading.has_signs and reading.num_distinct > MIN_KEYS:
        return Assigned(
            "drop", "numbers written with a sign of a currency or percent, which is not read"
        )
    if share > MAX_LEVEL_SHARE and reading.num_distinct > MIN_KEYS:
        return Assigned(
            "drop", f"text with a value of its own in {share:.0%} of rows: too few rows for each"
        )
    return None


def num_words(known: pl.Series) -> float:
    """The mean number of words, of the first ten thousand values."""
    return mean(known.head(SAMPLE).str.count_matches(r"\S+"))


RULES: tuple[Callable[[Reading], Assigned | None], ...] = (
    _empty,
    _constant,
    _contact,
    _identifier,
    _free_text,
)


def _by_type(reading: Reading) -> Assigned:
    num = reading.num_distinct
    if reading.is_date:
        return Assigned("date", "dates" if reading.kind == "date" else "dates with times of day")
    if reading.kind == "boolean":
        return Assigned("categorical", "yes or no")
    if reading.kind == "float":
        return Assigned("numeric", f"numbers with {num} different values")
    if reading.kind == "integer":
        is_code, why = codes.is_code(reading)
        return Assigned("categorical" if is_code else "numeric", why)
    padded = ", digits that begin with zeros" if reading.is_padded else ""
    return Assigned("categorical", f"text with {num} levels{padded}")


def _first(found: dict[str, Assigned], role: Role) -> str | None:
    return next((name for name, one in found.items() if one.role == role), None)


def _best_identifier(found: dict[str, Assigned], readings: dict[str, Reading]) -> str | None:
    """Of several identifiers the key of groups with the most rows to a value, as it must be kept
    together in a split; else the first."""
    named = [name for name, one in found.items() if one.role == "identifier"]
    keys = [name for name in named if found[name].is_key]
    if keys:
        return min(keys, key=lambda name: readings[name].num_distinct)
    return named[0] if named else None
