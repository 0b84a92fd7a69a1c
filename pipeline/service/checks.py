"""The contract's rules that one row can break, as checks of single values.

A rule with `mostly` below 1, or of severity `warning`, lets rows through that break it: such a
row is answered, with a warning. A missing value breaks no rule but the one against missing values,
as in Great Expectations.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from pipeline.core.settings.columns import Columns

INTEGERS = ("int", "int8", "int16", "int32", "int64", "Int64", "uint8", "uint16", "uint32")
FLOATS = ("float", "float32", "float64", "Float64")
TEXTS = ("str", "string", "object")
BOOLEANS = ("bool", "boolean")
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
OF_TYPE = "expect_column_values_to_be_of_type"
NOT_NULL = "expect_column_values_to_not_be_null"
PAIRS = "expect_column_pair_values_to_be_in_set"

Test = Callable[[Any], bool]


@dataclass(frozen=True)
class Check:
    """A rule about one value, or about the values of two columns.

    Attributes:
        columns: The column, or the two columns.
        kind: The expectation's type.
        arguments: The expectation's arguments.
        critical: Whether a row that breaks it is refused.
        expected: What a value must be, in words.
        passes: Whether a clean value, or a pair of them, keeps the rule.
        meaning: Why the rule is there, as the contract says it.
    """

    columns: tuple[str, ...]
    kind: str
    arguments: dict[str, Any]
    critical: bool
    expected: str
    passes: Test
    meaning: str


@dataclass(frozen=True)
class Enforcement:
    """The part of a contract that is enforced on requests, and the part that cannot be."""

    checks: tuple[Check, ...]
    enforced: tuple[dict[str, Any], ...]
    not_enforced: tuple[dict[str, Any], ...]

    def of(self, column: str) -> list[Check]:
        """The checks of one column alone."""
        return [check for check in self.checks if check.columns == (column,)]

    def of_whole(self, column: str) -> list[Check]:
        """The checks of a column and of its measures, `<column>.<measure>`, and of no other."""
        return [
            check
            for check in self.checks
            if all(name == column or name.startswith(f"{column}.") for name in check.columns)
        ]

    @property
    def of_pairs(self) -> list[Check]:
        return [check for check in self.checks if len(check.columns) == 2]


def enforcement(contract: dict[str, Any], features: Iterable[str]) -> Enforcement:
    """What of the contract's part `prepared` holds for one request's row with these features."""
    known = set(features)
    checks, enforced, not_enforced = [], [], []
    for entry in contract["prepared"]["expectations"]:
        columns = columns_of(entry["kwargs"])
        line = {
            "expectation": entry["type"],
            "columns": list(columns),
            "severity": entry["severity"],
        }
        reason = _not_on_one_row(entry, columns, known)
        if reason:
            not_enforced.append({**line, "reason": reason})
            continue
        expected, passes = _TESTS[entry["type"]](entry["kwargs"])
        critical = entry["severity"] == "critical" and entry["kwargs"].get("mostly", 1) == 1
        meaning = entry["meta"]["notes"]
        checks.append(
            Check(columns, entry["type"], entry["kwargs"], critical, expected, passes, meaning)
        )
        enforced.append({**line, "refuses": critical})
    return Enforcement(tuple(checks), tuple(enforced), tuple(not_enforced))


def demanding(enforced: Enforcement, columns: Columns, requested: Iterable[str]) -> Enforcement:
    """It, and a value in each column whose gaps `clean` dropped rows for, nothing was learnt of
    rows without one, and of a feature that is one whole value: there is no other."""
    dropped = [name for name in requested if columns.missing.get(name) == "drop_row"]
    words = dict.fromkeys(columns.wholes, ("a value", ""))
    words |= dict.fromkeys(dropped, (NEEDED, WHY))
    there = _not_null({})[1]
    checks = [
        Check((name,), NOT_NULL, {}, True, expected, there, why)
        for name, (expected, why) in words.items()
    ]
    lines = [
        {"expectation": NOT_NULL, "columns": [name], "severity": "critical", "refuses": True}
        for name in words
    ]
    return replace(
        enforced,
        checks=(*checks, *enforced.checks),
        enforced=(*enforced.enforced, *lines),
    )


NEEDED = "a value: rows without one were dropped before training (columns.missing)"
WHY = "Nothing was learnt of rows without it, so nothing is predicted for them."


def columns_of(kwargs: dict[str, Any]) -> tuple[str, ...]:
    """The columns that an expectation is about; none when it is about the table."""
    single = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return (*single, *kwargs.get("column_list", ()))


def _not_on_one_row(entry: dict[str, Any], columns: tuple[str, ...], known: set[str]) -> str:
    """Why a rule cannot be enforced on one request's row; empty when it can."""
    if not columns:
        return "it is about the whole table"
    if absent := [name for name in columns if name not in known]:
        return f"requests do not carry {', '.join(absent)}"
    if entry["type"] not in _TESTS:
        return "it is about many rows, or the service does not know it"
    if entry["kwargs"].get("row_condition"):
        return "it has a condition on other rows or columns"
    if entry["type"] == OF_TYPE and entry["kwargs"]["type_"] not in _TYPES:
        return f"the service does not know the type {entry['kwargs']['type_']}"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, tuple[str, Test]] = {
    **dict.fromkeys(
        INTEGERS, ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool))
    ),
    **dict.fromkeys(FLOATS, ("a number", _number)),
    **dict.fromkeys(TEXTS, ("text", lambda v: v is None or isinstance(v, str))),
    **dict.fromkeys(BOOLEANS, ("true or false", lambda v: isinstance(v, bool))),
}


def _of_type(kwargs: dict[str, Any]) -> tuple[str, Test]:
    """A gap turns a column of whole numbers into another type: so it must be there."""
    return _TYPES[kwargs["type_"]]


def _not_null(_: dict[str, Any]) -> tuple[str, Test]:
    return "a value", lambda value: value is not None


def _in_set(kwargs: dict[str, Any]) -> tuple[str, Test]:
    values = kwargs["value_set"]
    allowed = frozenset(values)
    return f"one of {listed(values)}", lambda v: v is None or v in allowed


def _not_in_set(kwargs: dict[str, Any]) -> tuple[str, Test]:
    values = kwargs["value_set"]
    refused = frozenset(values)
    return f"none of {listed(values)}", lambda v: v is None or v not in refused


def _between(kwargs: dict[str, Any]) -> tuple[str, Test]:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above, below = kwargs.get("strict_min", False), kwargs.get("strict_max", False)
    words = between_in_words(low, high, above, below)
    is_date = isinstance(low, str) or isinstance(high, str)
    if is_date:
        low, high = (one and datetime.fromisoformat(one) for one in (low, high))

    def passes(value: Any) -> bool:
        if value is None:
            return True
        if is_date and isinstance(value, date):
            value = datetime.fromisoformat(value.isoformat())
        elif is_date or not _number(value):
            return False
        least = low is None or (value > low if above else value >= low)
        return least and (high is None or (value < high if below else value <= high))

    return words, passes


def _lengths(kwargs: dict[str, Any]) -> tuple[str, Test]:
    words, fits = _between(kwargs)
    return f"text of a length {words}", lambda v: v is None or fits(len(str(v)))


def _regex(kwargs: dict[str, Any]) -> tuple[str, Test]:
    pattern = re.compile(kwargs["regex"])
    words = f"text that matches {kwargs['regex']}"
    return words, lambda v: v is None or pattern.search(str(v)) is not None


def _not_regex(kwargs: dict[str, Any]) -> tuple[str, Test]:
    pattern = re.compile(kwargs["regex"])
    words = f"text that does not match {kwargs['regex']}"
    return words, lambda v: v is None or pattern.search(str(v)) is None


def _pairs(kwargs: dict[str, Any]) -> tuple[str, Test]:
    allowed = {tuple(pair) for pair in kwargs["value_pairs_set"]}
    words = f"a pair of {kwargs['column_A']} and {kwargs['column_B']} that the contract names"
    return words, lambda pair: pair in allowed


_TESTS: dict[str, Callable[[dict[str, Any]], tuple[str, Test]]] = {
    NOT_NULL: _not_null,
    IN_SET: _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    BETWEEN: _between,
    OF_TYPE: _of_type,
    "expect_column_values_to_match_regex": _regex,
    "expect_column_values_to_not_match_regex": _not_regex,
    "expect_column_value_lengths_to_be_between": _lengths,
    PAIRS: _pairs,
}


def listed(values: Iterable[Any], at_most: int = 8) -> str:
    """Values in words, the first few of them."""
    shown = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    rest = f" … ({len(shown)} in all)" if len(shown) > at_most else ""
    return ", ".join(shown[:at_most]) + rest


def between_in_words(
    low: float | str | None, high: float | str | None, above: bool = False, below: bool = False
) -> str:
    """A range in words, of numbers or of dates."""
    first, last = map(_limit, (low, high))
    if low is not None and high is not None and not above and not below:
        return first if low == high else f"from {first} to {last}"
    least = "" if low is None else f"{'above' if above else 'at least'} {first}"
    most = "" if high is None else f"{'below' if below else 'at most'} {last}"
    return " and ".join(word for word in (least, most) if word)


def _limit(value: float | str | None) -> str:
    if isinstance(value, str | None):
        return value or ""
    return f"{value:g}" if abs(value) >= VERY_LARGE else f"{value:,}"


VERY_LARGE = 1e18
"""Numbers from here on are written with a power of ten."""
