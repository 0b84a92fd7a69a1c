"""The causes of a broken contract as sentences: one line each, with its numbers.

Of sensitive and identifying columns counts alone are told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from pipeline.core.contract import contract_words
from pipeline.validate.column_changes import ColumnChanges

Kind = Literal[
    "renamed_column",
    "missing_column",
    "new_column",
    "column_order",
    "rows",
    "format",
    "levels",
    "range",
    "missing_values",
    "share",
    "duplicates",
    "relation",
    "other",
]
MAX_SHOWN = 5
MAX_LENGTH = 40


@dataclass(frozen=True)
class Failing:
    """An expectation that a delivery does not meet.

    Attributes:
        part: Of the contract.
        number: Its position in the part.
        entry: As the contract has it.
        line: As the report has it.
    """

    part: str
    number: int
    entry: dict[str, Any]
    line: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.entry["type"])

    @property
    def severity(self) -> str:
        return str(self.entry["severity"])

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about, that of its condition last."""
        kwargs = self.entry["kwargs"]
        named = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
        condition = kwargs.get("row_condition")
        if isinstance(condition, dict) and isinstance(condition.get("column"), dict):
            named.append(condition["column"].get("name"))
        return tuple(dict.fromkeys([*named, *kwargs.get("column_list", ())]))


@dataclass(frozen=True)
class Cause:
    """One thing that changed.

    Attributes:
        kind: What kind of change.
        columns: The columns that it is about, as the contract names them; of a renamed one the new
            name, too.
        severity: `critical` where one of the expectations that it breaks is.
        sentence: What changed, in one line.
        broken: The expectations that fail by it.
        values: New levels, by part.
    """

    kind: Kind
    columns: tuple[str, ...]
    severity: str
    sentence: str
    broken: tuple[Failing, ...] = ()
    values: Mapping[str, tuple[Any, ...]] | None = None

    def with_broken(self, one: Failing) -> "Cause":
        """The same cause, which explains one more."""
        severity = "critical" if one.severity == "critical" else self.severity
        return replace(self, broken=(*self.broken, one), severity=severity)

    def as_dict(self) -> dict[str, Any]:
        """For a report: no value of a row."""
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "severity": self.severity,
            "sentence": self.sentence,
            "num_expectations": len(self.broken),
        }


def made(kind: Kind, columns: tuple[str, ...], sentence: str, broken: list[Failing]) -> Cause:
    is_critical = any(one.severity == "critical" for one in broken)
    severity = "critical" if is_critical else "warning"
    return Cause(kind, columns, severity, sentence, tuple(broken))


def of_changes(
    changes: ColumnChanges,
    gone: Mapping[str, list[Failing]],
    about: list[Failing],
    head: pl.DataFrame,
) -> list[Cause]:
    """The columns that are renamed, missing and new; they share the expectations on all columns."""
    causes = [
        Cause(
            "renamed_column",
            (old, new),
            "critical",
            f"column {old!r} is now called {new!r}: its values look alike",
            tuple(about),
        )
        for old, new in changes.renamed.items()
    ]
    for name in changes.missing:
        sentence = f"column {name!r} is missing"
        broken = (*about, *gone[name])
        causes.append(Cause("missing_column", (name,), "critical", sentence, broken))
    for name in changes.new:
        kind = "text" if head.schema[name] == pl.String else str(head.schema[name])
        sentence = f"column {name!r} is new ({kind}): nobody has given it a role"
        causes.append(Cause("new_column", (name,), "critical", sentence, tuple(about)))
    if about and not changes:
        causes.append(made("column_order", (), "the columns come in another order", about))
    return causes


def of_rows(failing: list[Failing]) -> Cause:
    """Too few or too many rows; told once, also where both parts count them."""
    line = failing[0].line
    expected = contract_words.expectation(line).removeprefix("has ")
    cleaned = " after cleaning" if failing[0].part == "prepared" else ""
    return made("rows", (), f"{line['observed']:,} rows{cleaned}, expected {expected}", failing)


def of_relation(one: Failing, num_rows: int | None, height: int) -> Cause:
    names = " and ".join(one.columns)
    count = one.line["num_unexpected"] if num_rows is None else num_rows
    rows = "" if count is None else f" in {rows_of(count, height)}"
    sentence = f"{names}: no longer so{rows}: {one.line['meaning'].rstrip('.')}"
    return made("relation", one.columns, sentence, [one])


def of_levels(column: str, new: pl.DataFrame, height: int, is_shown: bool) -> str:
    """New levels, `new` with `count`; at most five are named."""
    num_rows = int(new["count"].sum())
    what = "1 new level" if new.height == 1 else f"{new.height} new levels"
    told = f"{column}: {what} in {rows_of(num_rows, height)}"
    if not is_shown:
        return f"{told} (not shown: the column is sensitive or names people)"
    named = [
        f"{short(value)} ({count:,})"
        for value, count in new.head(MAX_SHOWN).select(column, "count").rows()
    ]
    rest = f" and {new.height - MAX_SHOWN} more" if new.height > MAX_SHOWN else ""
    return f"{told}: {', '.join(named)}{rest}"


def of_range(
    values: pl.Series, num_outside: int | None, between: Mapping[str, Any] | None, is_shown: bool
) -> str:
    """A shifted range: how many rows lie outside the old limits, and where the values are now."""
    if num_outside and between:
        limits = _limits(between.get("min_value"), between.get("max_value"))
        told = f"{values.name}: {rows_of(num_outside, values.len())} {limits}"
    else:
        told = f"{values.name}: within its limits, but shifted"
    known = values.drop_nulls()
    if not is_shown or known.is_empty():
        return told
    found = [known.quantile(share, "nearest") for share in (0, 0.25, 0.5, 0.75, 1)]
    low, lower, middle, upper, high = (number(one or 0) for one in found)
    return f"{told}; now {low} to {high}, half of it {lower} to {upper}, median {middle}"


def _limits(low: Any, high: Any) -> str:
    if low is None or high is None:
        return f"below {number(low)}" if high is None else f"above {number(high)}"
    return f"outside {number(low)} to {number(high)}"


def _plainly(one: Failing) -> str:
    found = contract_words.observation(one.line) or "otherwise"
    expected = contract_words.expectation(one.line)
    return f"{contract_words.subject(one.line)}: expected it {expected}; found {found}"


def of_other(one: Failing) -> Cause:
    return made("other", one.columns, _plainly(one), [one])


def rows_of(count: int, height: int) -> str:
    """`412 of 2,000 rows (20.6%)`."""
    return f"{count:,} of {height:,} rows ({100 * count / max(height, 1):.3g}%)"


def number(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def short(value: Any) -> str:
    """A level in quotes, cut where it is long."""
    text = str(value)
    return repr(value if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…")
