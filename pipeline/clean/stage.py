"""Clean the snapshot by named rules that fit nothing, and keep a ledger of every change.

Reads: the snapshot.
Writes: table.parquet (all columns, and `_row`, the row's position in the snapshot), ledger.json,
rules.json (the rules as they were applied: the service cleans by them).
Refuses when: the snapshot lacks a column, a rule does not suit it, the target or a sensitive column
has one value alone, or a column is not of the type that its role asks for. Whether the clean table
meets the contract `validate` decides, beside.
"""

import polars as pl

from pipeline.core.balancing.weights import check_weights
from pipeline.core.cleaning.rules import Cleaning
from pipeline.core.errors import ProjectError
from pipeline.core.files import scan_parquet, write_json, write_parquet
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.project import Project

SECTIONS = ("columns",)


class Settings(Cleaning):
    """The rules, which `validate` reads as well: it checks the contract on the clean table."""


def run(project: Project[Settings], paths: Paths) -> None:
    snapshot = scan_parquet(paths.input("ingest", "snapshot.parquet"))
    check_present(snapshot, project)
    cleaning = part(project.modality, "data.cleaning")
    table, entries = cleaning.cleaned_scan(snapshot, project.settings.rules, project.columns)
    rows_in = snapshot.select(pl.len()).collect().item()
    check_classes(table, project.columns)
    ledger = {"rows_in": rows_in, "rows_out": table.height, "rules": entries}
    write_parquet(paths.output("table.parquet"), table)
    write_json(paths.output("ledger.json"), ledger)
    rules = [rule.model_dump(mode="json") for rule in project.settings.rules]
    write_json(paths.output("rules.json"), rules)


def check_present(snapshot: pl.LazyFrame, project: Project[Settings]) -> None:
    """Refuse a snapshot that lacks a column of project.yaml; `validate` says what became of it."""
    delivered = snapshot.collect_schema().names()
    absent = [name for name in project.columns.all if name not in delivered]
    if absent:
        raise ProjectError(
            f"expected the columns that data/{project.name}/project.yaml names, the snapshot lacks "
            f"{', '.join(map(repr, absent))}",
            hint=f"`hallmark validate {project.name}` says what changed",
        )


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
