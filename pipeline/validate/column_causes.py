"""What changed in one column, from the expectations on it that failed.

Values in another form explain gaps, types and limits of the same column; new levels explain the
shares of the old ones; a shifted range explains its mean. What is left is told for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.core.cleaning.rules import Rule
from pipeline.core.contract import contract_words
from pipeline.core.settings.columns import Columns
from pipeline.validate.broken_rows import broken_rows, new_values
from pipeline.validate.cause_words import (
    Cause,
    Failing,
    made,
    of_levels,
    of_other,
    of_range,
    rows_of,
)
from pipeline.validate.tolerant_cleaning import Rules, cleaned

PREFIX = "expect_column_"
LEVELS = (
    "expect_column_values_to_be_in_set",
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_equal_set",
)
TYPES = {
    "Int": "whole numbers",
    "UInt": "whole numbers",
    "Float": "numbers",
    "Boolean": "yes or no",
}
KINDS = {
    "values_to_match_regex": "form",
    "values_to_match_regex_list": "form",
    "values_to_match_strftime_format": "form",
    "value_lengths_to_be_between": "form",
    "value_lengths_to_equal": "form",
    "values_to_not_match_regex": "codes",
    "values_to_be_of_type": "type",
    "values_to_be_in_type_list": "type",
    "values_to_be_in_set": "levels",
    "values_to_not_be_in_set": "share",
    "distinct_values_to_be_in_set": "levels",
    "distinct_values_to_equal_set": "levels",
    "distinct_values_to_contain_set": "levels",
    "unique_value_count_to_be_between": "count",
    "values_to_be_between": "range",
    "mean_to_be_between": "range",
    "median_to_be_between": "range",
    "min_to_be_between": "range",
    "max_to_be_between": "range",
    "stdev_to_be_between": "range",
    "sum_to_be_between": "range",
    "quantile_values_to_be_between": "range",
    "value_z_scores_to_be_less_than": "range",
    "values_to_not_be_null": "gaps",
    "proportion_of_non_null_values_to_be_between": "gaps",
    "values_to_be_unique": "unique",
    "proportion_of_unique_values_to_be_between": "unique",
}


@dataclass(frozen=True)
class Delivery:
    """What is known of a delivery that breaks its contract.

    Attributes:
        tables: The rows by part.
        contract: Its contract.
        columns: What each column is for.
        rules: The cleaning rules.
        refused: Of each column that a rule does not suit, why.
        cleaning: How the rules are applied.
    """

    tables: Mapping[str, pl.DataFrame]
    contract: Mapping[str, Any]
    columns: Columns
    rules: tuple[Rule, ...]
    refused: Mapping[str, str]
    cleaning: Rules

    def levels(self, part: str, name: str) -> list[Any]:
        """All levels that the contract's part knows of a column."""
        sets = [
            one["kwargs"]["value_set"]
            for one in self.contract[part]["expectations"]
            if one["type"] in LEVELS and one["kwargs"].get("column") == name
        ]
        return list(dict.fromkeys(value for values in sets for value in values))


def of_column(
    name: str,
    failing: list[Failing],
    delivery: Delivery,
) -> list[Cause]:
    """The causes of what failed in the column `name`, in the order of their weight."""
    waiting: dict[str, list[Failing]] = {}
    for one in failing:
        waiting.setdefault(KINDS.get(one.kind.removeprefix(PREFIX), "other"), []).append(one)

    def take(*kinds: str) -> list[Failing]:
        return [one for kind in kinds for one in waiting.pop(kind, [])]

    tables, columns = delivery.tables, delivery.columns
    is_shown = name not in (*columns.sensitive, columns.identifier)
    prepared = tables["prepared"][name] if name in tables["prepared"].columns else None
    causes = []
    if sentence := _form(name, waiting, delivery):
        # what cannot be read is missing, of another type, and has no limits
        kinds = ["form", "type", "codes", "gaps"]
        kinds += [] if _has_rows(waiting.get("range", [])) else ["range"]
        kinds += [] if prepared is not None and prepared.dtype == pl.String else ["levels", "share"]
        causes.append(made("format", (name,), sentence, take(*kinds)))
    if new := _new_levels(name, waiting.get("levels", []), delivery):
        part, found = next(iter(new.items()))
        sentence = of_levels(name, found, tables[part].height, is_shown)
        cause = made("levels", (name,), sentence, take("levels", "count", "share"))
        values = {part: tuple(found[name].to_list()) for part, found in new.items()}
        causes.append(
            Cause(cause.kind, cause.columns, cause.severity, sentence, cause.broken, values)
        )
    if "range" in waiting and prepared is not None and prepared.dtype.is_numeric():
        causes.append(_range(name, take("range", "form"), tables, is_shown))
    if "gaps" in waiting or ("type" in waiting and prepared is not None and prepared.null_count()):
        causes.append(_gaps(name, take("gaps", "type", "codes"), tables))
    if "unique" in waiting:
        causes.append(_unique(name, take("unique"), tables))
    if left := take("share", "levels", "count"):
        causes.append(_share(name, left, is_shown))
    if left := take("codes"):
        count = left[0].line["num_unexpected"] or 0
        sentence = f"{name}: {rows_of(count, tables[left[0].part].height)} are a code for unknown"
        causes.append(made("missing_values", (name,), sentence, left))
    if left := take("form", "type", "range"):
        causes.append(_written(name, left, tables))
    return causes + [of_other(one) for one in take(*waiting)]


def _form(
    name: str,
    waiting: Mapping[str, list[Failing]],
    delivery: Delivery,
) -> str:
    """How the column is written otherwise, where that is why other expectations fail."""
    tables = delivery.tables
    if name in delivery.refused and any(
        kind in waiting for kind in ("form", "type", "range", "levels")
    ):
        return f"{name}: written in another form: a cleaning rule does not suit it any more"
    table = tables.get("delivered")
    if table is None or name not in table.columns:
        return _type(name, waiting, tables)
    delivered = [one for one in waiting.get("form", []) if one.part == "delivered"]
    if tables["prepared"].schema[name] != pl.String:
        delivered += [one for one in waiting.get("levels", []) if one.part == "delivered"]
    for one in delivered:
        broken = broken_rows(one.entry, table)
        if broken is None or table.schema[name] != pl.String:
            continue
        rows = table.select(name).filter(broken)
        bare = delivery.columns.model_copy(update={"missing": {}})
        read, _ = cleaned(rows, _valuewise(delivery.rules), bare, delivery.cleaning)
        num_lost = read[name].null_count()
        if 2 * num_lost > rows.height:
            kind = _in_words(tables["prepared"].schema[name])
            count = rows_of(rows.height, table.height)
            return f"{name}: {count} are written in another form and cannot be read as {kind}"
    return _type(name, waiting, tables)


def _in_words(dtype: pl.DataType) -> str:
    return TYPES.get(str(dtype).rstrip("0123456789"), "dates" if dtype.is_temporal() else "text")


def _valuewise(rules: tuple[Rule, ...]) -> list[Rule]:
    """The rules that change values; without those that drop rows."""
    kept = [rule for rule in rules if not rule.rule.startswith("drop_")]
    return [rule for rule in kept if getattr(rule, "action", "missing") == "missing"]


def _type(
    name: str, waiting: Mapping[str, list[Failing]], tables: Mapping[str, pl.DataFrame]
) -> str:
    """Of another type, and not by gaps alone, which make fractions of whole numbers."""
    if "type" not in waiting or name not in tables["prepared"].columns:
        return ""
    values = tables["prepared"][name]
    if values.dtype.is_numeric() and values.null_count():
        return ""
    told = next((one for one in waiting["type"] if one.part == "delivered"), waiting["type"][0])
    source = tables.get(told.part, tables["prepared"])
    return f"{name}: now of the type {source.schema[name]}, which the contract does not expect"


def _has_rows(failing: list[Failing]) -> bool:
    return any(one.line["num_unexpected"] for one in failing)


def _new_levels(name: str, failing: list[Failing], delivery: Delivery) -> dict[str, pl.DataFrame]:
    """The new levels by part, the clean ones first; none where only the shares are others."""
    found = {}
    for part in ("prepared", "delivered"):
        if not any(one.part == part for one in failing):
            continue
        if name not in delivery.tables[part].columns:
            continue
        new = new_values(delivery.tables[part][name], delivery.levels(part, name))
        if new.height:
            found[part] = new
    return found


def _range(
    name: str, failing: list[Failing], tables: Mapping[str, pl.DataFrame], is_shown: bool
) -> Cause:
    outside = [one for one in failing if one.kind.endswith("values_to_be_between")]
    first = max(outside, key=lambda one: one.line["num_unexpected"] or 0, default=None)
    values = tables["prepared"][name]
    if first and first.part in tables and tables[first.part].schema[name].is_numeric():
        values = tables[first.part][name]
    sentence = of_range(
        values,
        first.line["num_unexpected"] if first else None,
        first.entry["kwargs"] if first else None,
        is_shown,
    )
    return made("range", (name,), sentence, failing)


def _gaps(name: str, failing: list[Failing], tables: Mapping[str, pl.DataFrame]) -> Cause:
    table = tables[failing[0].part]
    limits = [one.entry["kwargs"].get("mostly", 1) for one in failing if "null" in one.kind] or [1]
    allowed = f"at most {100 * (1 - max(limits)):.3g}% may be" if max(limits) < 1 else "none may be"
    count = rows_of(table[name].null_count(), table.height)
    return made("missing_values", (name,), f"{name}: missing in {count}, {allowed}", failing)


def _unique(name: str, failing: list[Failing], tables: Mapping[str, pl.DataFrame]) -> Cause:
    values = tables[failing[0].part][name].drop_nulls()
    count = rows_of(values.len() - values.n_unique(), values.len())
    return made("duplicates", (name,), f"{name}: {count} repeat the value of another", failing)


def _share(name: str, failing: list[Failing], is_shown: bool) -> Cause:
    first = failing[0]
    known = first.entry["kwargs"].get("value_set", ())
    if first.kind.endswith("unique_value_count_to_be_between"):
        expected = contract_words.expectation(first.line).removeprefix("has ")
        sentence = f"{name}: {first.line['observed']:,} different values, expected {expected}"
    elif is_shown and len(known) == 1:
        share = 100 * (first.line["share_unexpected"] or 0)
        share = share if "not_be" in first.kind else 100 - share
        sentence = f"{name}: {known[0]!r} is now {share:.3g}% of the rows"
    else:
        sentence = f"{name}: its levels are met in other shares than before"
    return made("share", (name,), sentence, failing)


def _written(name: str, failing: list[Failing], tables: Mapping[str, pl.DataFrame]) -> Cause:
    first: Any = failing[0]
    count, height = first.line["num_unexpected"], tables["prepared"].height
    rows = f"{rows_of(count, height)} are" if count else "it is"
    sentence = f"{name}: {rows} written in another form than before"
    return made("format", (name,), sentence, failing)
