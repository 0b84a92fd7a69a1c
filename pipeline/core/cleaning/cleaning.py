"""Clean a table by rules: what is the same for every modality. Shared by `clean` and the service,
so that they cannot drift.

A modality's own module `cleaning` makes a `Cleaner` with the rules that it adds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import polars as pl
import polars.selectors as cs

from pipeline.core.cleaning.cleaning_rules import POSITION, RULES, Change
from pipeline.core.cleaning.rules import Rule, named_columns
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.problems import nearest

ROWS_AT_ONCE = 500_000
"""Of a snapshot in a file so many rows are cleaned at a time."""


@dataclass(frozen=True)
class Cleaner:
    """How a modality cleans.

    Attributes:
        own: The rules that it adds to those of all: from a rule's kind to what applies it.
        rows_at_once: Rows of a snapshot that are cleaned at a time.
    """

    own: Mapping[str, Callable[[Any, pl.DataFrame], Change]] = field(default_factory=dict)
    rows_at_once: int = ROWS_AT_ONCE

    @property
    def known(self) -> tuple[str, ...]:
        """The kinds of rules that it can apply."""
        return (*RULES, *self.own)

    def cleaned(
        self, snapshot: pl.DataFrame, rules: Iterable[Rule], columns: Columns
    ) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
        """The clean table, and a ledger entry for each change.

        What is no finite number becomes missing, the rules are applied, and rows that lack a value
        for which `columns.missing` says so are dropped.
        """
        table, endless = of_finite_numbers(with_positions(snapshot))
        table, entries = self.apply(table, rules)
        table, dropped = without_gaps(table, columns)
        return table, [*endless, *entries, *dropped]

    def cleaned_scan(
        self,
        snapshot: pl.LazyFrame,
        rules: Iterable[Rule],
        columns: Columns,
        at_once: int | None = None,
    ) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
        """What `cleaned` gives, from a snapshot that is never in memory as a whole.

        Rules that look at one row at a time, up to the first that compares rows, are applied to one
        slice after the other: text that becomes a number is five times its size. Where a rule does
        not suit a slice, all rows are read, so that the error counts them all.
        """
        rules, at_once = tuple(rules), at_once or self.rows_at_once
        row_wise = tuple(takewhile(lambda rule: not rule.compares_rows, rules))
        num_rows = snapshot.select(pl.len()).collect().item()
        tables, endless, entries = [], [], []
        try:
            for first in range(0, max(num_rows, 1), at_once):
                rows = with_positions(snapshot.slice(first, at_once).collect(), first)
                rows, some = of_finite_numbers(rows)
                rows, of_rules = self.apply(rows, row_wise)
                tables.append(rows)
                endless += some
                entries.append(of_rules)
        except ProjectError:
            return self.cleaned(snapshot.collect(), rules, columns)
        table = _joined(tables)
        ledger = [_summed(endless, table.columns)] if endless else []
        for rule, same in zip(row_wise, zip(*entries, strict=True), strict=True):
            ledger.append(_summed(same, named_columns(rule) or table.columns))
        table, others = self.apply(table, rules[len(row_wise) :])
        table, dropped = without_gaps(table, columns)
        return table, [*ledger, *others, *dropped]

    def apply(
        self, table: pl.DataFrame, rules: Iterable[Rule]
    ) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
        """Apply the rules in their order.

        Returns:
            The clean table and the ledger: for each rule its name, its kind (`rule`), `cells` (from
            column to how many of its cells changed, zeros left out), `rows_dropped`, and `found`
            where it counts kinds of things.

        Raises:
            ProjectError: a rule is none of this modality, names a column that is absent or of the
                wrong type, or `cast` met values that it cannot read and may not drop.
        """
        ledger = []
        for rule in rules:
            _check_present(rule, table)
            change = self._applied(rule, table)
            table = change.table
            entry = {
                "name": rule.name,
                "rule": rule.rule,
                "cells": {column: count for column, count in change.cells.items() if count},
                "rows_dropped": change.rows_dropped,
            }
            ledger.append(entry | ({"found": change.found} if change.found else {}))
        return table, ledger

    def _applied(self, rule: Rule, table: pl.DataFrame) -> Change:
        applies = RULES.get(rule.rule) or self.own.get(rule.rule)
        if applies is None:
            raise ProjectError(
                f"clean rule {rule.name!r}: expected a rule of this modality, got {rule.rule!r}",
                hint=nearest(rule.rule, self.known),
            )
        return applies(rule, table)


def with_positions(table: pl.DataFrame, first: int = 0) -> pl.DataFrame:
    """Add the column `_row` (UInt32) as the last one, counting from `first`."""
    if POSITION in table.columns:
        raise ProjectError(
            f"expected no delivered column {POSITION!r}: cleaning adds it",
            hint=f"rename the delivered column {POSITION!r} at its source",
        )
    positions = pl.int_range(first, first + pl.len(), dtype=pl.UInt32)
    return table.with_columns(positions.alias(POSITION))


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


def _joined(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Slices as one table, which leaves them empty.

    Column by column: a table of many chunks costs its whole size again wherever pandas is asked.
    """
    return pl.DataFrame(
        [
            pl.concat([rows.drop_in_place(name) for rows in tables], rechunk=True)
            for name in tables[0].columns
        ]
    )


def _summed(entries: Sequence[dict[str, Any]], order: Sequence[str]) -> dict[str, Any]:
    """One ledger entry from those of the same rule on several slices."""
    cells = {name: sum(one["cells"].get(name, 0) for one in entries) for name in order}
    found: dict[str, int] = {}
    for one in entries:
        for kind, count in one.get("found", {}).items():
            found[kind] = found.get(kind, 0) + count
    entry = {
        **entries[0],
        "cells": {name: count for name, count in cells.items() if count},
        "rows_dropped": sum(one["rows_dropped"] for one in entries),
    }
    return entry | ({"found": found} if found else {})


def _check_present(rule: Rule, table: pl.DataFrame) -> None:
    for name in named_columns(rule):
        if name not in table.columns:
            raise ProjectError(
                f"clean rule {rule.name!r} ({rule.rule}): expected a column {name!r}, found none",
                hint=nearest(name, tuple(table.columns)),
            )
