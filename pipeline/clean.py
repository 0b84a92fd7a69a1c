"""Clean the snapshot by named rules that fit nothing, and keep a ledger of every change.

Reads: the snapshot, contract.json (its part `prepared`).
Writes: table.parquet (all columns, and `_row`, the row's position in the snapshot), ledger.json,
rules.json (the rules as they were applied: the service cleans by them).
Refuses when: a rule does not suit the table, the target or a sensitive column has one value alone,
a column is not of the type that its role asks for, or the clean table breaks a critical
expectation.
"""

from collections import Counter

import polars as pl
from pydantic import field_validator

from pipeline.core.contract import load_contract
from pipeline.core.errors import ProjectError
from pipeline.core.expectations import check, refuse_breaches
from pipeline.core.files import read_parquet, write_json, write_parquet
from pipeline.core.modality import part
from pipeline.core.paths import Paths
from pipeline.core.problems import Unsuitable
from pipeline.core.project import Columns, Frozen, Project
from pipeline.core.rules import Rule
from pipeline.core.weights import check_weights

SECTIONS = ("columns",)


class Settings(Frozen):
    rules: tuple[Rule, ...] = ()
    """What to do, in this order. Each rule has a name, under which the ledger counts."""

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        twice = [name for name, count in Counter(rule.name for rule in rules).items() if count > 1]
        if twice:
            raise Unsuitable(
                f"expected a name of its own for each rule, got {twice[0]!r} twice",
                "the ledger counts by name: call one of the two otherwise",
            )
        return rules


def run(project: Project[Settings], paths: Paths) -> None:
    name = f"data/{project.name}/contract.json"
    contract = load_contract(paths.home / "contract.json", name)
    snapshot = read_parquet(paths.input("ingest", "snapshot.parquet"))
    cleaning = part(project.modality, "cleaning")
    table, entries = cleaning.cleaned(snapshot, project.settings.rules, project.columns)
    rows_in = snapshot.height
    del snapshot  # at millions of rows it is a gigabyte
    check_classes(table, project.columns)
    prepared = check(table, contract, "prepared", name)
    refuse_breaches(
        prepared,
        "the clean table",
        hint=f"add or change a rule under `clean.rules` in data/{project.name}/project.yaml, or "
        f"change {name} and say why in its meta.notes",
    )
    ledger = {
        "rows_in": rows_in,
        "rows_out": table.height,
        "rules": entries,
        "prepared": prepared,
    }
    write_parquet(paths.output("table.parquet"), table)
    write_json(paths.output("ledger.json"), ledger)
    rules = [rule.model_dump(mode="json") for rule in project.settings.rules]
    write_json(paths.output("rules.json"), rules)


def check_classes(table: pl.DataFrame, columns: Columns) -> None:
    """Refuse a table on which nothing can be learnt or compared.

    Raises:
        ProjectError: no rows are left, a row has no label, the target has one class, lacks
            `columns.positive` or is no number in a regression, a sensitive column has one group, or
            a feature or weight is not what its role asks for.
    """
    if table.height == 0:
        raise ProjectError(
            "expected rows after cleaning, found none",
            hint="a rule under `clean.rules` dropped them all; the rules that drop rows are "
            "drop_missing, drop_duplicates and outside_range with `action: drop_row`",
        )
    if num_missing := table[columns.target].null_count():
        raise ProjectError(
            f"columns.target: expected a label in every row of {columns.target!r}, "
            f"{num_missing} of {table.height} have none",
            hint="add a rule `drop_missing` with this column under `clean.rules`",
        )
    classes = table[columns.target].drop_nulls().cast(pl.String).unique().sort()
    if classes.len() < 2:
        raise ProjectError(
            f"columns.target: expected at least two classes in {columns.target!r}, "
            f"found {classes.len()}",
            hint="is it the right column? was the delivery filtered by it? do `clean.rules` "
            "replace all its values by one?",
        )
    if columns.task == "binary" and columns.positive not in classes:
        raise ProjectError(
            f"columns.positive: expected a value of {columns.target!r}, "
            f"got {columns.positive!r}; its values after cleaning are "
            f"{', '.join(map(repr, classes.head(5)))}",
            hint="set `columns.positive` to one of them, or repair the values under `clean.rules`",
        )
    if columns.task == "regression" and not table.schema[columns.target].is_numeric():
        raise ProjectError(
            f"columns.target: expected numbers in {columns.target!r} after cleaning, as the task "
            f"is regression, found {table.schema[columns.target]}",
            hint=f"add a rule `cast` for {columns.target!r} under `clean.rules`",
        )
    check_types(table, columns)
    check_weights(table, columns)
    for name in columns.sensitive:
        num_groups = table[name].drop_nulls().n_unique()
        if num_groups < 2:
            raise ProjectError(
                f"columns.sensitive: expected at least two groups in {name!r}, found {num_groups}",
                hint=f"there is nothing to compare: move {name!r} to `columns.drop` with the "
                "reason, or ask for a delivery with all groups",
            )


def check_types(table: pl.DataFrame, columns: Columns) -> None:
    """Refuse features of other types than their roles say."""
    for name in columns.numeric:
        if not table.schema[name].is_numeric():
            raise ProjectError(
                f"columns.numeric: expected numbers in {name!r} after cleaning, "
                f"found {table.schema[name]}",
                hint=f"add a rule `cast` for {name!r} under `clean.rules`, or name it under "
                "`columns.categorical`",
            )
    for name in columns.dates:
        if table.schema[name] not in (pl.Date, pl.Datetime):
            raise ProjectError(
                f"columns.dates: expected dates in {name!r} after cleaning, "
                f"found {table.schema[name]}",
                hint=f"add a rule `cast` under `clean.rules` with `columns: {{{name}: date}}` and "
                f'`formats: {{{name}: "%d.%m.%Y"}}`, as it is written',
            )
