"""Columns that look sensitive by name or by content, though nobody named them.

What is protected, and by which words it is told, is data with its source: `sensitive_names.json`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shlex import quote

import polars as pl

from pipeline.onboarding.columns.naming import found_word, words
from pipeline.onboarding.columns.proposal import Finding, ProposedColumn
from pipeline.onboarding.columns.spellings import Reading

NAMES_FILE = Path(__file__).with_name("sensitive_names.json")
MIN_LEVEL_SHARE = 0.9
"""So many of the rows must have one of a ground's levels."""
MAX_LEVELS = 60
MAX_CODES, MAX_FRACTIONS = 300, 20
"""Whole numbers with more values than this are no codes of groups, nor are other numbers."""


@dataclass(frozen=True)
class Ground:
    """One protected ground, or what stands in for one, and how a column of it is told."""

    ground: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    anywhere: tuple[str, ...]
    unless: tuple[str, ...]
    levels: tuple[str, ...]
    core_levels: tuple[tuple[str, ...], ...]
    is_proxy: bool = False
    is_measured: bool = False

    def is_named(self, name: str) -> bool:
        """Whether a column's name says so."""
        if found_word(name, self.unless):
            return False
        parts = words(name)
        together = "".join(parts)
        return (
            found_word(name, self.words) is not None
            or any(part.startswith(self.stems) for part in parts)
            or any(one in together for one in self.anywhere)
        )

    def is_held(self, counts: pl.DataFrame) -> bool:
        """Whether the levels (columns value, in lower case, and count) are those of this ground."""
        value = counts["value"]
        if not any(set(pair) <= set(value) for pair in self.core_levels):
            return False
        known = {*self.levels, *(one for pair in self.core_levels for one in pair)}
        met = counts.filter(value.is_in(known))
        return int(met["count"].sum()) >= MIN_LEVEL_SHARE * int(counts["count"].sum())


@cache
def grounds() -> tuple[Ground, ...]:
    """All grounds of the data file."""
    content = json.loads(NAMES_FILE.read_text(encoding="utf-8"))
    return tuple(
        Ground(
            ground=one["ground"],
            words=tuple(one["words"]),
            stems=tuple(one["stems"]),
            anywhere=tuple(one["anywhere"]),
            unless=tuple(one["unless"]),
            levels=tuple(one["levels"]),
            core_levels=tuple(tuple(together) for together in one["core_levels"]),
            is_proxy=one.get("is_proxy", False),
            is_measured=one.get("is_measured", False),
        )
        for one in content["grounds"]
    )


def looks_sensitive(
    readings: Mapping[str, Reading], columns: Iterable[ProposedColumn]
) -> list[Finding]:
    """The features that look sensitive, by content or by name; grounds in the data file's order."""
    features = [one.name for one in columns if one.role in ("numeric", "categorical", "date")]
    found = [_of_column(readings[name]) for name in features]
    known = sorted((one for one in found if one), key=lambda one: grounds().index(one[0]))
    return [finding for _, finding in known]


def _of_column(reading: Reading) -> tuple[Ground, Finding] | None:
    counts = _levels(reading)
    held = next((one for one in grounds() if counts is not None and one.is_held(counts)), None)
    named = next((one for one in grounds() if one.is_named(reading.name)), None)
    ground = held or named
    if ground is None or _is_no_group(reading, ground):
        return None
    how = "values are words for it" if held else "name says so"
    shown = f"{reading.num_distinct} {'dates' if reading.is_date else 'different values'}"
    if held is None and counts is not None and reading.is_number:
        shown = f"{counts.height} codes"
    sentence = (
        f"{reading.name} looks like {ground.ground}: its {how} ({shown}); it is a feature now"
    )
    advice = _advice(reading.name, ground)
    return ground, Finding("looks_sensitive", (reading.name,), sentence, advice)


def _is_no_group(reading: Reading, ground: Ground) -> bool:
    """A measured number is no group, but for an age or a place: `white_median_income`."""
    if ground.is_measured or ground.is_proxy:
        return False
    many = reading.is_number and reading.num_distinct > MAX_CODES
    return many or (reading.kind == "float" and reading.num_distinct > MAX_FRACTIONS)


def _advice(name: str, ground: Ground) -> str:
    if ground.is_proxy:
        return (
            f"drop it under `columns.drop`, or name {name} under `columns.sensitive` to see its "
            "groups; the audit measures how well it tells the sensitive columns"
        )
    return (
        f"name it under `columns.sensitive` (`--sensitive {quote(name)}`): its groups are audited, "
        "and it is no feature"
    )


def _levels(reading: Reading) -> pl.DataFrame | None:
    """The column's levels in lower case with their rows; None of many or of dates."""
    if reading.is_date or reading.kind in ("float", "empty", "other"):
        return None
    text = reading.values.drop_nulls().cast(pl.String).str.to_lowercase()
    counts = text.str.strip_chars().rename("value").value_counts(name="count")
    return counts if counts.height <= MAX_LEVELS else None
