"""Give each row of train a weight.

Reads: the part train.
Writes: train.parquet (train and the column `_weight`, Float32, of mean 1), report.json.
Refuses when: a group to be reweighed has no row of one of the classes.
"""

from collections.abc import Sequence
from typing import Any, Literal

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, write_json, write_parquet
from pipeline.core.labels import is_positive
from pipeline.core.paths import Paths
from pipeline.core.project import Columns, Frozen, Project

SECTIONS = ("columns",)
WEIGHT = "_weight"


class Settings(Frozen):
    method: Literal["none", "reweigh"] = "none"
    """`none`: every row weighs 1. `reweigh`: rows weigh so that group and label are independent."""
    columns: tuple[str, ...] = ()
    """The sensitive columns whose crossing makes the groups; none named means all of them."""


def run(project: Project[Settings], paths: Paths) -> None:
    train = read_parquet(paths.input("split", "train.parquet"))
    table, report = balanced(train, project.columns, project.settings)
    write_parquet(paths.output("train.parquet"), table)
    write_json(paths.output("report.json"), report)


def balanced(
    train: pl.DataFrame, columns: Columns, settings: Settings
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Train with weights, and the report: method, columns, weights by group and label."""
    if WEIGHT in train.columns:
        raise ProjectError(
            f"expected no delivered column {WEIGHT!r}: balance adds it",
            hint=f"rename the delivered column {WEIGHT!r} at its source",
        )
    if settings.method == "none":
        table = train.with_columns(pl.lit(1.0, pl.Float32).alias(WEIGHT))
        return table, {"method": "none", "columns": [], "weights": []}
    names = groups_of(columns, settings)
    counts = reweighed(train, names, columns)
    check_cells(counts, names)
    positive = is_positive(columns).alias("_positive")
    table = (
        train.with_columns(positive)
        .join(
            counts,
            on=[*names, "_positive"],
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        .with_columns(pl.col(WEIGHT).cast(pl.Float32))
        .select(*train.columns, WEIGHT)
    )
    weights = [
        {
            "group": {name: row[name] for name in names},
            "positive": row["_positive"],
            "num_rows": row["_num"],
            "weight": round(row[WEIGHT], 6),
        }
        for row in counts.iter_rows(named=True)
    ]
    return table, {"method": settings.method, "columns": list(names), "weights": weights}


def groups_of(columns: Columns, settings: Settings) -> tuple[str, ...]:
    """The columns whose crossing makes the groups.

    Raises:
        ProjectError: one of them is not sensitive, or there is none.
    """
    names = settings.columns or columns.sensitive
    for name in names:
        if name not in columns.sensitive:
            raise ProjectError(
                f"balance.columns: expected sensitive columns "
                f"({', '.join(columns.sensitive) or 'none'}), got {name!r}",
                hint="name it under `columns.sensitive`, which is also what has it audited",
            )
    if not names:
        raise ProjectError(
            "balance.method: expected a sensitive column to reweigh by, found none",
            hint="name one under `columns.sensitive`, or set `method: none`",
        )
    return names


def reweighed(train: pl.DataFrame, names: Sequence[str], columns: Columns) -> pl.DataFrame:
    """The weight P(s) P(y) / P(s, y) of each group s and label y, in the order of their values.

    Source: F. Kamiran and T. Calders, Data preprocessing techniques for classification without
    discrimination, Knowledge and Information Systems 33 (2012) 1-33, algorithm 3. Over all rows
    the weights' mean is 1 when each group has rows of both classes.
    """
    cells = (
        train.select(*names, is_positive(columns).alias("_positive"))
        .group_by(*names, "_positive")
        .agg(_num=pl.len())
        .sort(*names, "_positive", nulls_last=True)
    )
    num = pl.col("_num").cast(pl.Float64)  # products of counts overflow integers
    group = num.sum().over(*names)
    label = num.sum().over("_positive")
    return cells.with_columns((group * label / (num * train.height)).alias(WEIGHT))


def check_cells(cells: pl.DataFrame, names: Sequence[str]) -> None:
    """Refuse groups that lack one of the classes: no weight makes up for absent rows."""
    lacking = cells.group_by(*names).agg(pl.len(), pl.col("_num").sum())
    lacking = lacking.filter(pl.col("len") < 2)
    if lacking.height:
        raise ProjectError(
            f"balance.method: expected rows of both classes in every group of "
            f"{' × '.join(names)}, {lacking.height} of {cells.select(names).n_unique()} groups, "
            f"{lacking['_num'].sum()} rows in all, have one class alone",
            hint="reweigh by fewer columns (`balance.columns`), or set `method: none`; the audit "
            "counts every group",
        )
