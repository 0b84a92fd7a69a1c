"""Change the rows that a model is fitted on, so that labels depend less on groups.

Reads: the part train.
Writes: train.parquet (the rows to fit on, and `_weight`, Float32, of mean 1), report.json.
Refuses when: a group to be balanced has no row of one of the labels, or made rows do not keep their
checks (exit code 3).

Rows of the other parts stay as they are. A repeated row keeps its `_row` and `_key`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field, ValidationInfo, model_validator

from pipeline.balance import reweighing
from pipeline.core.balancing import resampling, weights
from pipeline.core.balancing.contingency import Contingency, Floats, check_cells, contingency
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, write_in_groups, write_json
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import has_part, part
from pipeline.core.settings.problems import Unsuitable, nearest
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen, of_modality

SECTIONS = ("columns",)
WEIGHT = "_weight"


Changed = tuple[pl.DataFrame, dict[str, Any]]
PARTS = {
    "correlation_remover": "balancing.correlation",
    "synthetic_vae": "balancing.synthesis",
    "synthetic_gan": "balancing.synthesis",
}
"""What some methods need of a modality, which not every one has."""


class Settings(Frozen):
    method: Literal[
        "none", "reweigh", "resample", "correlation_remover", "synthetic_vae", "synthetic_gan"
    ] = "none"
    """`none`: the rows as they are. `reweigh`: rows weigh so that group and label are independent.
    `resample`: rows are repeated and left out to the same end. `correlation_remover`: numbers lose
    their correlation with the sensitive columns. `synthetic_…`: rows are made for thin groups, and
    checked."""
    columns: tuple[str, ...] = ()
    """The sensitive columns whose crossing makes the groups (correlation_remover takes each by
    itself); none named means all of them."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of what is drawn."""
    sampling: resampling.Sampling = "to_size"
    """Of resample: `to_size` keeps the number of rows, `over` leaves no row out, `under` repeats
    none."""
    drawing: resampling.Drawing = "uniform"
    """Of resample: which rows of a group and label are repeated or left out. `uniform`: by chance.
    `preferential`: first those that look least like their label."""
    alpha: float = Field(1.0, ge=0, le=1)
    """Of correlation_remover: 1 takes the whole correlation, 0 nothing."""
    synthetic: Annotated[Any, of_modality("SyntheticSettings")] = Field(default_factory=dict)
    """How rows are made and what they must keep; the keys are the modality's."""

    @model_validator(mode="after")
    def _of_its_modality(self, info: ValidationInfo) -> "Settings":
        modality = (info.context or {}).get("modality", "")
        ranked = self.method == "resample" and self.drawing == "preferential"
        key, value = ("drawing", self.drawing) if ranked else ("method", self.method)
        needed = "balancing.ranking" if ranked else PARTS.get(self.method)
        if modality and needed and not has_part(modality, needed):
            raise Unsuitable(
                f"{key}: expected what projects of {modality} have, got {value}",
                "it works on columns of numbers and levels, which these have none of; `method: "
                "reweigh`, and `resample` with `drawing: uniform`, work on every kind of data",
            )
        return self


def run(project: Project[Settings], paths: Paths) -> None:
    train = read_parquet(paths.input("split", "train.parquet"))
    table, report = balanced(train, project)
    write_in_groups(paths.output("train.parquet"), table)
    write_json(paths.output("report.json"), report)


def balanced(
    train: pl.DataFrame, project: Project[Settings]
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The rows to fit on, and the report: method, columns, rows, and what the method did."""
    if WEIGHT in train.columns:
        raise ProjectError(
            f"expected no delivered column {WEIGHT!r}: balance adds it",
            hint=f"rename the delivered column {WEIGHT!r} at its source",
        )
    method = project.settings.method
    names = groups_of(project.columns, project.settings) if method != "none" else ()
    table, found = METHODS[method](train, names, project)
    if WEIGHT not in table.columns:
        table = table.with_columns(pl.lit(1.0, pl.Float32).alias(WEIGHT))
    table, of_column = with_delivered_weights(table, project.columns)
    return table, {
        "method": method,
        "columns": list(names),
        "num_rows": train.height,
        "num_rows_after": table.height,
        **found,
        **of_column,
    }


def with_delivered_weights(table: pl.DataFrame, columns: Columns) -> Changed:
    """The rows' weights times those of `columns.weight`, of mean 1; as they are without it."""
    given = weights.delivered(table, columns)
    if given is None:
        return table, {}
    product = given * table[WEIGHT].cast(pl.Float64).to_numpy()
    product /= product.mean()
    weight = pl.Series(WEIGHT, product, dtype=pl.Float32)
    return table.with_columns(weight), {"weight": weights.described(product, str(columns.weight))}


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
                hint=nearest(name, columns.sensitive)
                or "name it under `columns.sensitive`, which is also what has it audited",
            )
    if not names:
        raise ProjectError(
            f"balance.method: expected a sensitive column to {settings.method} by, found none",
            hint="name one under `columns.sensitive`, or set `method: none`",
        )
    return names


def as_they_are(
    train: pl.DataFrame, _names: tuple[str, ...], _project: Project[Settings]
) -> Changed:
    return train, {}


def reweighed(train: pl.DataFrame, names: tuple[str, ...], project: Project[Settings]) -> Changed:
    """Every row with its cell's weight; where rows have weights of their own, cells are sums of
    these."""
    found = contingency(train, names, project.columns)
    check_cells(found)
    counted, given = found, weights.delivered(train, project.columns)
    if given is not None:
        sums = np.bincount(found.cells, weights=given, minlength=found.counts.size)
        counted = replace(found, counts=sums.reshape(found.counts.shape))
    of_cell = reweighing.weights(counted)
    weight = pl.Series(WEIGHT, of_cell.ravel()[found.cells], dtype=pl.Float32)
    return train.with_columns(weight), {"cells": described(found, found.counts, of_cell)}


def resampled(train: pl.DataFrame, names: tuple[str, ...], project: Project[Settings]) -> Changed:
    """Rows repeated and left out, in the order that they had."""
    found = contingency(train, names, project.columns)
    check_cells(found)
    settings = project.settings
    sizes = resampling.sizes(found, settings.sampling)
    if settings.drawing == "uniform":
        first = np.random.default_rng(settings.seed).random(train.height)
    else:
        ranking = part(project.modality, "balancing.ranking")
        first = ranking.own_label(train, project.columns, settings.seed)
    rows = resampling.drawn(found, sizes, first)
    return train[rows], {
        "sampling": settings.sampling,
        "drawing": settings.drawing,
        "num_left_out": train.height - len(np.unique(rows)),
        "cells": described(found, sizes, np.ones(sizes.shape)),
    }


def decorrelated(
    train: pl.DataFrame, names: tuple[str, ...], project: Project[Settings]
) -> Changed:
    """Every row with its numbers changed."""
    alpha = project.settings.alpha
    table, numbers = part(project.modality, "balancing.correlation").removed(
        train, names, project.columns, alpha
    )
    return table, {"alpha": alpha, "correlations": numbers}


def with_made_rows(
    train: pl.DataFrame, names: tuple[str, ...], project: Project[Settings]
) -> Changed:
    """Every row as it is, and below them the made ones."""
    found = contingency(train, names, project.columns)
    check_cells(found)
    settings = project.settings
    table, sizes, report = part(project.modality, "balancing.synthesis").made(
        train, found, project.columns, settings.method, settings.synthetic, settings.seed
    )
    return table, {**report, "cells": described(found, sizes, np.ones(sizes.shape))}


METHODS: Mapping[str, Callable[[pl.DataFrame, tuple[str, ...], Project[Settings]], Changed]] = {
    "none": as_they_are,
    "reweigh": reweighed,
    "resample": resampled,
    "correlation_remover": decorrelated,
    "synthetic_vae": with_made_rows,
    "synthetic_gan": with_made_rows,
}


def described(found: Contingency, after: Any, of_cell: Floats) -> list[dict[str, Any]]:
    """Each cell's rows before and after, and what one of them weighs."""
    return [
        {
            "group": found.groups[group],
            "label": found.labels[label],
            "num_rows": int(found.counts[group, label]),
            "num_rows_after": int(after[group, label]),
            "weight": round(float(of_cell[group, label]), 6),
        }
        for group, label in np.ndindex(found.counts.shape)
    ]
