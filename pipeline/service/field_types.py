"""How a request carries a column, and what its values are: from types in polars to JSON's."""

from datetime import datetime
from typing import Any, Literal

from pipeline.core.cleaning.rules import Cast, Rule
from pipeline.core.errors import ProjectError
from pipeline.service.checks import INTEGERS

Kind = Literal["integer", "number", "category", "text", "date", "datetime", "image"]
Delivered = Literal["text", "integer", "float", "boolean", "date", "datetime", "image"]
INTEGER_TYPES = [f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
DELIVERED: dict[str, Delivered] = {
    "String": "text",
    "Boolean": "boolean",
    "Float32": "float",
    "Float64": "float",
    "Date": "date",
    "Datetime": "datetime",
    "Binary": "image",
    **dict.fromkeys(INTEGER_TYPES, "integer"),
}
"""From a column's type in polars, without its arguments, to what a request carries."""
EXPECTED: dict[str, str] = {
    "integer": "a whole number",
    "number": "a number",
    "date": "a date",
    "datetime": "a date and time",
}
OF_TYPES: dict[str, tuple[str, str]] = {
    "text": ("string", "text"),
    "integer": ("integer", "a whole number"),
    "float": ("number", "a number"),
    "boolean": ("boolean", "true or false"),
}
"""In JSON Schema and in words what is no number and no date, as it is delivered."""
A_DAY = datetime(2024, 12, 31)


def delivered_as(name: str, dtype: str) -> Delivered:
    """How requests carry a column."""
    kind = DELIVERED.get(dtype.partition("(")[0])
    if kind is None:
        raise ProjectError(
            f"columns: expected {name!r} to be delivered as text, number, boolean or date, got "
            f"{dtype}",
            hint="a request is JSON, which has no other types: deliver it as text",
        )
    return kind


def level_as_delivered(level: Any, delivered: Delivered) -> Any:
    """A clean level as a request carries it, where the cleaning makes booleans of other types."""
    if not isinstance(level, bool) or delivered == "boolean":
        return level
    return int(level) if delivered in ("integer", "float") else str(level).lower()


def within_64_bits(limit: Any) -> Any:
    """A whole number that JSON's writers do not take, as a float."""
    return float(limit) if isinstance(limit, int) and abs(limit) >= 2**63 else limit


def type_of(levels: tuple[Any, ...]) -> str:
    if all(isinstance(one, bool) for one in levels):
        return "boolean"
    return "integer" if all(isinstance(one, int) for one in levels) else "number"


def cast_to(name: str, rules: tuple[Rule, ...], otherwise: str) -> str:
    """The type that the rules read a column as, the last one of them."""
    casts = [rule for rule in rules if isinstance(rule, Cast) and name in rule.columns]
    return casts[-1].columns[name] if casts else otherwise


def is_whole(name: str, rules: tuple[Rule, ...], delivered: Delivered, types: list[str]) -> bool:
    kind = cast_to(name, rules, "")
    if kind:
        return kind == "integer"
    return delivered == "integer" or any(one in INTEGERS for one in types)


def date_as_delivered(name: str, kind: str, delivered: Delivered, rules: tuple[Rule, ...]) -> Any:
    """Some day, as it is delivered."""
    formats = [rule.formats for rule in rules if isinstance(rule, Cast) and name in rule.formats]
    iso = A_DAY.date().isoformat() if kind == "date" else A_DAY.isoformat()
    day = A_DAY.strftime(formats[-1][name]) if formats else iso
    return int(day) if delivered == "integer" else day
