"""The cleaning rules that a table needs, as `clean.rules` has them: only what occurs."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.onboarding.columns.proposal import ProposedColumn
from pipeline.onboarding.columns.spellings import Reading

Rule = dict[str, Any]


def rules(
    readings: Iterable[Reading],
    columns: Iterable[ProposedColumn],
    target: str,
    mapping: Mapping[str, str],
) -> tuple[Rule, ...]:
    """Blanks, codes for missing, other spellings of the target, types, rows without a target.

    Columns that are dropped are left as they are.

    Args:
        readings: How each column is written.
        columns: The columns with their roles.
        target: The name of the target.
        mapping: From other spellings of the target's values to those that stay.
    """
    used = {column.name: column for column in columns if column.role != "drop"}
    kept = [reading for reading in readings if reading.name in used]
    found: list[Rule] = [*_blanks(kept), *_codes(kept)]
    if mapping:
        name = "other spellings of the same class"
        found.append({"name": name, "rule": "replace", "column": target, "mapping": dict(mapping)})
    found += _casts([one for one in kept if _needs_type(one, used[one.name])])
    if any(one.name == target and one.num_missing for one in kept):
        name = "rows without a target"
        found.append({"name": name, "rule": "drop_missing", "columns": [target]})
    return tuple(found)


def _blanks(readings: list[Reading]) -> list[Rule]:
    columns = [one.name for one in readings if one.num_blanks and one.is_text]
    name = "blanks around values"
    return [{"name": name, "rule": "strip_whitespace", "columns": columns}] if columns else []


def _codes(readings: list[Reading]) -> list[Rule]:
    """One rule for each set of codes, so that a code is taken out only where it was seen."""
    by_codes: dict[tuple[str, ...], list[str]] = {}
    for one in readings:
        if one.codes:
            by_codes.setdefault(one.codes, []).append(one.name)
    return [
        {
            "name": f"codes for missing: {' '.join(codes)}",
            "rule": "missing_codes",
            "columns": columns,
            "codes": list(codes),
        }
        for codes, columns in by_codes.items()
    ]


def _needs_type(reading: Reading, column: ProposedColumn) -> bool:
    """Whether the column's type must be said: numbers and dates in text, booleans in several
    spellings, floats that are whole, or hold nan."""
    if reading.is_text:
        if reading.is_number:
            return column.role in ("numeric", "weight", "target") or bool(column.edges)
        return reading.is_date or reading.kind == "boolean"
    if reading.delivered.is_float() or reading.delivered.is_decimal():
        return reading.kind == "integer" or reading.has_nan or reading.delivered.is_decimal()
    return reading.dates is not None


def _casts(readings: list[Reading]) -> list[Rule]:
    """One rule for each kind of type, way to write decimals, and what becomes of failures."""
    grouped: dict[tuple[str, str | None, bool], list[Reading]] = {}
    for one in readings:
        kind = "numbers" if one.is_number else "dates" if one.is_date else "yes or no"
        grouped.setdefault((kind, one.decimal, one.num_failed > 0 or one.has_nan), []).append(one)
    found = []
    for (kind, decimal, fails), members in sorted(grouped.items(), key=_order):
        rule: Rule = {"name": _name(kind, decimal, fails), "rule": "cast"}
        rule["columns"] = {one.name: one.kind for one in members}
        formats = {one.name: one.dates.format for one in members if one.dates and one.dates.format}
        if formats:
            rule["formats"] = formats
        if decimal:
            rule["decimal"] = decimal
        if fails:
            rule["on_failure"] = "missing"
        found.append(rule)
    return found


def _order(item: tuple[tuple[str, str | None, bool], list[Reading]]) -> tuple[int, str, bool]:
    (kind, decimal, fails), _ = item
    return ("numbers", "yes or no", "dates").index(kind), decimal or "", fails


def _name(kind: str, decimal: str | None, fails: bool) -> str:
    written = {None: "", ",": " with a decimal comma", ".": " with thousands apart"}[decimal]
    return f"{kind}{written}{', what is none is missing' if fails else ''}"
