"""How the cleaning rules that every modality knows are applied, each to a whole table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.core.cleaning.rules import (
    Cast,
    DropDuplicates,
    DropMissing,
    MissingCodes,
    OutsideRange,
    Replace,
    Rule,
    StripWhitespace,
)
from pipeline.core.dataset import casting
from pipeline.core.errors import ProjectError

POSITION = "_row"
"""The column that cleaning adds: the row's place in the snapshot, from 0."""


@dataclass(frozen=True)
class Change:
    """A table after one rule: how many cells changed by column, how many rows went, and, of a rule
    that looks for several kinds of things, how many it found of each."""

    table: pl.DataFrame
    cells: dict[str, int] = field(default_factory=dict)
    rows_dropped: int = 0
    found: dict[str, int] = field(default_factory=dict)


def _strip(rule: StripWhitespace, table: pl.DataFrame) -> Change:
    cells = {}
    for name in rule.columns or text_columns(table):
        before = text(rule, table[name])
        after = before.str.strip_chars()
        after = after.set(after == "", None)
        cells[name] = num_changed(before, after)
        if cells[name]:  # else the text is held twice
            table = table.with_columns(after)
    return Change(table, cells)


def _missing_codes(rule: MissingCodes, table: pl.DataFrame) -> Change:
    cells = {}
    for name in rule.columns or text_columns(table):
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
    return Change(table.with_columns(after), {rule.column: num_changed(before, after)})


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
        return keeping(table, table.filter(~outside))
    return Change(table.with_columns(before.set(outside, None)), {rule.column: int(outside.sum())})


def _drop_duplicates(rule: DropDuplicates, table: pl.DataFrame) -> Change:
    subset = list(rule.columns) or [name for name in table.columns if name != POSITION]
    return keeping(table, table.unique(subset, keep="first", maintain_order=True))


def _drop_missing(rule: DropMissing, table: pl.DataFrame) -> Change:
    return keeping(table, table.drop_nulls(list(rule.columns)))


def keeping(table: pl.DataFrame, kept: pl.DataFrame) -> Change:
    """These rows of the table alone."""
    return Change(kept, rows_dropped=table.height - kept.height)


def num_changed(before: pl.Series, after: pl.Series) -> int:
    return int(before.ne_missing(after).sum())


def text_columns(table: pl.DataFrame) -> list[str]:
    return [name for name, dtype in table.schema.items() if dtype == pl.String]


def text(rule: Rule, values: pl.Series) -> pl.Series:
    """The values of a column, which a rule needs to be text."""
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


RULES: Mapping[str, Callable[[Any, pl.DataFrame], Change]] = {
    "strip_whitespace": _strip,
    "missing_codes": _missing_codes,
    "replace": _replace,
    "cast": _cast,
    "outside_range": _outside_range,
    "drop_duplicates": _drop_duplicates,
    "drop_missing": _drop_missing,
}
"""From a rule's kind to what applies it."""
