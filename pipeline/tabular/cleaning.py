"""Apply cleaning rules to a table. Shared by `clean` and the service, so that they cannot drift.

Every function takes a table and gives a table with the count of what it changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import polars as pl
import polars.selectors as cs

from pipeline.core.errors import ProjectError
from pipeline.core.project import Columns, nearest
from pipeline.core.rules import (
    Cast,
    DropDuplicates,
    DropMissing,
    MissingCodes,
    OutsideRange,
    Replace,
    Rule,
    StripWhitespace,
    named_columns,
)
from pipeline.tabular import casting

POSITION = "_row"
"""The column that `with_positions` adds: the row's place in the snapshot, from 0."""


@dataclass(frozen=True)
class Change:
    """A table after one rule: how many cells changed by column, and how many rows went."""

    table: pl.DataFrame
    cells: dict[str, int] = field(default_factory=dict)
    rows_dropped: int = 0


def with_positions(table: pl.DataFrame, first: int = 0) -> pl.DataFrame:
    """Add the column `_row` (UInt32) as the last one, counting from `first`."""
    if POSITION in table.columns:
        raise ProjectError(
            f"expected no delivered column {POSITION!r}: cleaning adds it",
            hint=f"rename the delivered column {POSITION!r} at its source",
        )
    positions = pl.int_range(first, first + pl.len(), dtype=pl.UInt32)
    return table.with_columns(positions.alias(POSITION))


def cleaned(
    snapshot: pl.DataFrame, rules: Iterable[Rule], columns: Columns
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """The clean table, and a ledger entry for each change.

    What is no finite number becomes missing, the rules are applied, and rows that lack a value for
    which `columns.missing` says so are dropped.
    """
    table, endless = of_finite_numbers(with_positions(snapshot))
    table, entries = apply(table, rules)
    table, dropped = without_gaps(table, columns)
    return table, [*endless, *entries, *dropped]


ROWS_AT_ONCE = 500_000
"""Of a snapshot in a file so many rows are cleaned at a time."""


def cleaned_scan(
    snapshot: pl.LazyFrame, rules: Iterable[Rule], columns: Columns, at_once: int = ROWS_AT_ONCE
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """What `cleaned` gives, from a snapshot that is never in memory as a whole.

    Rules that look at one row at a time, up to the first that compares rows, are applied to one
    slice after the other: text that becomes a number is five times its size. Where a rule does not
    suit a slice, all rows are read, so that the error counts them all.
    """
    rules = tuple(rules)
    row_wise = tuple(takewhile(lambda rule: not isinstance(rule, DropDuplicates), rules))
    num_rows = snapshot.select(pl.len()).collect().item()
    tables, endless, entries = [], [], []
    try:
        for first in range(0, max(num_rows, 1), at_once):
            rows = with_positions(snapshot.slice(first, at_once).collect(), first)
            rows, some = of_finite_numbers(rows)
            rows, of_rules = apply(rows, row_wise)
            tables.append(rows)
            endless += some
            entries.append(of_rules)
    except ProjectError:
        return cleaned(snapshot.collect(), rules, columns)
    # Column by column: a table of many chunks costs its whole size again wherever pandas is asked.
    table = pl.DataFrame(
        [
            pl.concat([rows.drop_in_place(name) for rows in tables], rechunk=True)
            for name in tables[0].columns
        ]
    )
    ledger = [_summed(endless, table.columns)] if endless else []
    for rule, same in zip(row_wise, zip(*entries, strict=True), strict=True):
        ledger.append(_summed(same, named_columns(rule) or table.columns))
    table, others = apply(table, rules[len(row_wise) :])
    table, dropped = without_gaps(table, columns)
    return table, [*ledger, *others, *dropped]


def _summed(entries: Sequence[dict[str, Any]], order: Sequence[str]) -> dict[str, Any]:
    """One ledger entry from those of the same rule on several slices."""
    cells = {name: sum(one["cells"].get(name, 0) for one in entries) for name in order}
    return {
        **entries[0],
        "cells": {name: count for name, count in cells.items() if count},
        "rows_dropped": sum(one["rows_dropped"] for one in entries),
    }


def of_finite_numbers(table: pl.DataFrame) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """A missing value for each nan and inf, as `cast` reads them and JSON has neither; an entry
    where there were some."""
    floats = table.select(cs.float())
    found = {one.name: count for one in floats if (count := int((~one.is_finite()).sum()))}
    if not found:
        return table, []
    name = "what is no finite number (nan, inf) is missing"
    entry = {"name": name, "rule": "missing_codes", "cells": found, "rows_dropped": 0}
    return table.with_columns(finite(cs.float())), [entry]


def finite(column: pl.Expr) -> pl.Expr:
    """Floats, those that are not finite missing."""
    return pl.when(column.is_finite()).then(column)


def without_gaps(
    table: pl.DataFrame, columns: Columns
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """The rows that have a value of each column of `missing: drop_row`; an entry for each one."""
    entries = []
    for name in (name for name, rule in columns.missing.items() if rule == "drop_row"):
        kept = table.filter(table[name].is_not_null())
        entry = {"name": f"rows without {name}", "rule": "drop_missing", "cells": {}}
        entries.append({**entry, "rows_dropped": table.height - kept.height})
        table = kept
    return table, entries


def apply(table: pl.DataFrame, rules: Iterable[Rule]) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """Apply the rules in their order.

    Returns:
        The clean table and the ledger: for each rule its name, its kind (`rule`), `cells` (from
        column to how many of its cells changed, zeros left out) and `rows_dropped`.

    Raises:
        ProjectError: a rule names a column that is absent or of the wrong type, or `cast` met
            values that it cannot read and may not drop.
    """
    ledger = []
    for rule in rules:
        _check_present(rule, table)
        change = _applied(rule, table)
        table = change.table
        ledger.append(
            {
                "name": rule.name,
                "rule": rule.rule,
                "cells": {column: count for column, count in change.cells.items() if count},
                "rows_dropped": change.rows_dropped,
            }
        )
    return table, ledger


def _applied(rule: Rule, table: pl.DataFrame) -> Change:
    match rule:
        case StripWhitespace():
            return _strip(rule, table)
        case MissingCodes():
            return _missing_codes(rule, table)
        case Replace():
            return _replace(rule, table)
        case Cast():
            return _cast(rule, table)
        case OutsideRange():
            return _outside_range(rule, table)
        case DropDuplicates():
            subset = list(rule.columns) or [name for name in table.columns if name != POSITION]
            return _kept(table, table.unique(subset, keep="first", maintain_order=True))
        case DropMissing():
            return _kept(table, table.drop_nulls(list(rule.columns)))


def _strip(rule: StripWhitespace, table: pl.DataFrame) -> Change:
    cells = {}
    for name in rule.columns or _text_columns(table):
        before = _text(rule, table[name])
        after = before.str.strip_chars()
        after = after.set(after == "", None)
        cells[name] = _num_changed(before, after)
        if cells[name]:  # else the text is held twice
            table = table.with_columns(after)
    return Change(table, cells)


def _missing_codes(rule: MissingCodes, table: pl.DataFrame) -> Change:
    cells = {}
    for name in rule.columns or _text_columns(table):
        before = table[name]
        after = before.set(before.is_in(_values(rule, before, rule.codes).implode()), None)
        cells[name] = after.null_count() - before.null_count()
        if cells[name]:
            table = table.with_columns(after)
    return Change(table, cells)


def _replace(rule: Replace, table: pl.DataFrame) -> Change:
    before = table[rule.column]
    after = before.replace(
        _values(rule, before, rule.mapping.keys()), _values(rule, before, rule.mapping.values())
    )
    return Change(table.with_columns(after), {rule.column: _num_changed(before, after)})


def _cast(rule: Cast, table: pl.DataFrame) -> Change:
    cells, refused = {}, []
    for name, kind in rule.columns.items():
        before = table[name]
        after = casting.read_as(kind, before, rule.formats.get(name), rule.decimal)
        cells[name] = after.null_count() - before.null_count()
        if cells[name] and rule.on_failure == "refuse":
            refused.append(f"{name}: {cells[name]} of {before.len()} values are no {kind}")
        table = table.with_columns(after)
    if refused:
        raise ProjectError(
            f"clean rule {rule.name!r} (cast): expected values that can be read",
            findings=refused,
            hint="put a rule before it that repairs them (strip_whitespace, missing_codes, "
            "replace), say how they are written (`decimal`, `formats`), or set "
            "`on_failure: missing`",
        )
    return Change(table, cells)


def _outside_range(rule: OutsideRange, table: pl.DataFrame) -> Change:
    before = table[rule.column]
    if not before.dtype.is_numeric():
        raise ProjectError(
            f"clean rule {rule.name!r} (outside_range): expected numbers in {rule.column!r}, "
            f"found {before.dtype}",
            hint="put a `cast` rule before it",
        )
    outside = pl.Series([False]).new_from_index(0, before.len())
    if rule.min is not None:
        outside = outside | (before < rule.min)
    if rule.max is not None:
        outside = outside | (before > rule.max)
    outside = outside.fill_null(False)
    if rule.action == "drop_row":
        return _kept(table, table.filter(~outside))
    return Change(table.with_columns(before.set(outside, None)), {rule.column: int(outside.sum())})


def _kept(table: pl.DataFrame, kept: pl.DataFrame) -> Change:
    return Change(kept, rows_dropped=table.height - kept.height)


def _num_changed(before: pl.Series, after: pl.Series) -> int:
    return int(before.ne_missing(after).sum())


def _text_columns(table: pl.DataFrame) -> list[str]:
    return [name for name, dtype in table.schema.items() if dtype == pl.String]


def _text(rule: Rule, values: pl.Series) -> pl.Series:
    if values.dtype != pl.String:
        raise ProjectError(
            f"clean rule {rule.name!r} ({rule.rule}): expected text in {values.name!r}, "
            f"found {values.dtype}",
            hint="put it before the `cast` rule, or leave the column out",
        )
    return values


def _values(rule: Rule, column: pl.Series, values: Iterable[Any]) -> pl.Series:
    """What a rule compares `column` with, in the column's own type."""
    try:
        return pl.Series(values=list(values), dtype=column.dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise ProjectError(
            f"clean rule {rule.name!r} ({rule.rule}): expected values of the type of "
            f"{column.name!r}, which is {column.dtype} at this point",
            hint="quote text in YAML, and mind whether a `cast` comes before or after",
        ) from None


def _check_present(rule: Rule, table: pl.DataFrame) -> None:
    for name in named_columns(rule):
        if name not in table.columns:
            raise ProjectError(
                f"clean rule {rule.name!r} ({rule.rule}): expected a column {name!r}, found none",
                hint=nearest(name, tuple(table.columns)),
            )
