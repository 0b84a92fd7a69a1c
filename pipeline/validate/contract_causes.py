"""What a delivery would break of its contract, one cause for what may be many expectations.

Both parts are checked, on the delivery and on what cleaning makes of it. A column that is only
called otherwise is checked under its old name; what breaks in one column for one reason is told
once; a relation between columns is told only for rows that nothing else is wrong with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.core.cleaning.rules import Rule
from pipeline.core.contract.contract import PARTS, check_named_columns
from pipeline.core.errors import ContractBreach
from pipeline.core.settings.columns import RESERVED, Columns
from pipeline.core.settings.modality import part
from pipeline.validate import cause_words as words
from pipeline.validate.broken_rows import broken_rows
from pipeline.validate.cause_words import Cause, Failing
from pipeline.validate.column_causes import Delivery, of_column
from pipeline.validate.column_changes import (
    ABOUT_COLUMNS,
    ColumnChanges,
    check_columns,
    column_changes,
)
from pipeline.validate.expectations import check, refuse_unknown, summed_up
from pipeline.validate.tolerant_cleaning import cleaned

FEWER_VALUES = ("expect_column_unique_value_count_to_be_between",)


@dataclass(frozen=True)
class Comparison:
    """A delivery beside its contract.

    Attributes:
        changes: What became of its columns.
        reports: What `check` says of each part.
        causes: What would break, the critical first.
        tables: The rows that each part was checked on, under the contract's names and with what
            was measured; without the delivered ones where nothing of them broke.
    """

    changes: ColumnChanges
    reports: Mapping[str, dict[str, Any]]
    causes: tuple[Cause, ...]
    tables: Mapping[str, pl.DataFrame] = field(repr=False)

    @property
    def is_breach(self) -> bool:
        return any(cause.severity == "critical" for cause in self.causes)


def compare(
    snapshot: pl.DataFrame,
    contract: dict[str, Any],
    columns: Columns,
    rules: Iterable[Rule],
    modality: str,
    project: str,
) -> Comparison:
    """Check a delivery against both parts of its contract, and say what breaks and why.

    Args:
        snapshot: The rows as delivered.
        contract: What `load_contract` returned.
        columns: What the project says of each column.
        rules: The cleaning rules.
        modality: Of the project: how the rules are applied, and what is measured of a value.
        project: The project's name, for messages.

    Raises:
        ProjectError: the contract knows the delivery's columns, but project.yaml names others; or
            Great Expectations does not know an expectation.
    """
    rules = tuple(rules)
    refuse_unknown(contract, f"data/{project}/contract.json")
    cleaning = part(modality, "data.cleaning")
    measured = part(modality, "data.contract_columns").measured
    names = dict.fromkeys((*columns.all, *snapshot.columns, *RESERVED))  # which cleaning adds
    known = measured(pl.DataFrame(schema=dict.fromkeys(names, pl.Null)), columns)
    check_named_columns(contract, known.columns, f"data/{project}/contract.json")
    check_columns(snapshot.columns, contract, columns, f"data/{project}/project.yaml")
    changes = column_changes(snapshot, contract, columns, rules, cleaning)
    name = f"data/{project}/contract.json"
    head, table = snapshot.head(1), changes.undone(snapshot)
    del snapshot  # at millions of rows it is a gigabyte
    whole = measured(table, columns)
    bare = head if changes else table
    reports = {"delivered": _checked(whole, contract, "delivered", name, bare)}
    prepared, refused = cleaned(table, rules, columns, cleaning)
    tables = {"prepared": measured(prepared, columns)}
    if not all(line["success"] for line in reports["delivered"]["expectations"]):
        tables["delivered"] = whole
    bare = head if changes else prepared
    del table, whole, prepared
    reports["prepared"] = _checked(tables["prepared"], contract, "prepared", name, bare)
    failing = [
        Failing(part, number, contract[part]["expectations"][number], line)
        for part in PARTS
        for number, line in enumerate(reports[part]["expectations"])
        if not line["success"]
    ]
    delivery = Delivery(tables, contract, columns, rules, refused, cleaning)
    made = _causes(failing, changes, delivery, head)
    made.sort(key=lambda cause: cause.severity != "critical")
    return Comparison(changes, reports, tuple(made), tables)


def refuse(found: Comparison, project: str) -> None:
    """Raise ContractBreach when a critical expectation failed; the findings are the causes."""
    if found.is_breach:
        num_rows = found.reports["delivered"]["rows"]
        raise ContractBreach(
            f"the delivery: expected {num_rows} rows to meet data/{project}/contract.json, found "
            f"{len(found.causes)} thing{'s' if len(found.causes) > 1 else ''} that would break it",
            findings=[f"{cause.severity}: {cause.sentence}" for cause in found.causes],
            hint=f"ask the sender what changed; where the change is right, `hallmark contract "
            f"{project} --diff FILE` proposes the edit",
        )


def _checked(
    table: pl.DataFrame, contract: dict[str, Any], part: str, name: str, bare: pl.DataFrame
) -> dict[str, Any]:
    """A part's report; what it says of the columns themselves, it says of those of `bare`."""
    report = check(table, contract, part, name)
    entries = contract[part]["expectations"]
    about = [number for number, one in enumerate(entries) if one["type"] in ABOUT_COLUMNS]
    if bare.columns == table.columns or not about:
        return report
    alone = {part: {"expectations": [entries[number] for number in about]}}
    lines = list(report["expectations"])
    for number, line in zip(about, check(bare, alone, part, name)["expectations"], strict=True):
        lines[number] = line
    return summed_up(part, table.height, lines)


def _causes(
    failing: list[Failing], changes: ColumnChanges, delivery: Delivery, head: pl.DataFrame
) -> list[Cause]:
    waiting = list(failing)

    def taken(test: Any) -> list[Failing]:
        found = [one for one in waiting if test(one)]
        waiting[:] = [one for one in waiting if one not in found]
        return found

    gone = {name: taken(lambda one, name=name: name in one.columns) for name in changes.missing}
    causes = words.of_changes(changes, gone, taken(lambda one: one.kind in ABOUT_COLUMNS), head)
    if counts := taken(lambda one: one.kind.startswith("expect_table_row_count")):
        # of fewer rows there are fewer different values
        causes.append(words.of_rows(counts + taken(lambda one: one.kind in FEWER_VALUES)))
    causes += [words.of_other(one) for one in taken(lambda one: not one.columns)]
    related = taken(lambda one: len(one.columns) > 1)
    single = list(dict.fromkeys(one.columns[0] for one in waiting))
    order = delivery.tables["prepared"].columns
    for name in sorted(single, key=lambda one: order.index(one) if one in order else -1):
        own = taken(lambda one, name=name: one.columns == (name,))
        causes += of_column(name, own, delivery)
    for one in related:
        _relate(one, causes, failing, delivery.tables)
    return causes


def _relate(
    one: Failing, causes: list[Cause], failing: list[Failing], tables: Mapping[str, pl.DataFrame]
) -> None:
    """A broken relation is part of the cause that explains its rows, or a cause of its own."""
    table = tables.get(one.part, tables["prepared"])
    broken = broken_rows(one.entry, table)
    about = [
        place
        for place, cause in enumerate(causes)
        if set(cause.columns) & set(one.columns) and cause.kind != "renamed_column"
    ]
    num_left = None
    if broken is not None:
        for other in failing:
            if (
                other.part == one.part
                and len(other.columns) == 1
                and other.columns[0] in one.columns
            ):
                fault = broken_rows(other.entry, table)
                broken = broken & ~fault if fault is not None else broken
        num_left = int(broken.sum())
    allowed = (1 - one.entry["kwargs"].get("mostly", 1)) * table.height
    if about and (num_left is None or num_left <= allowed):
        causes[about[0]] = causes[about[0]].with_broken(one)
    else:
        causes.append(words.of_relation(one, num_left, table.height))
