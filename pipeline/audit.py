"""Bias in the data before any model: who is there, with which labels, and what is missing.

Reads: the part train.
Writes: report.json, by sensitive column and by their crossing.
Refuses when: there is nothing to compare, that is, no column under `columns.sensitive`.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
from pydantic import Field

from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, write_json
from pipeline.core.intervals import wilson
from pipeline.core.labels import is_positive
from pipeline.core.paths import Paths
from pipeline.core.project import Columns, Frozen, Project

SECTIONS = ("columns",)


class Settings(Frozen):
    min_group_size: int = Field(default=200, ge=1)
    """Groups of fewer rows are flagged `too_small`: shown, and left out of the gaps."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of the two-sided intervals of label rates."""


def run(project: Project[Settings], paths: Paths) -> None:
    train = read_parquet(paths.input("split", "train.parquet"))
    write_json(paths.output("report.json"), audited(train, project.columns, project.settings))


def audited(train: pl.DataFrame, columns: Columns, settings: Settings) -> dict[str, Any]:
    """The report: `by` each sensitive column and by their crossing, and the `gaps` between groups.

    Raises:
        ProjectError: the project names no sensitive column.
    """
    if not columns.sensitive:
        raise ProjectError(
            "columns.sensitive: expected at least one column whose groups are compared, found none",
            hint="name the columns, whether or not they are features",
        )
    by = {
        " × ".join(names): groups(train, names, columns, settings)
        for names in crossings(columns.sensitive)
    }
    return {
        "min_group_size": settings.min_group_size,
        "confidence": settings.confidence,
        "rows": train.height,
        "by": by,
        "gaps": {name: gap(entries) for name, entries in by.items()},
    }


def crossings(sensitive: Sequence[str]) -> list[tuple[str, ...]]:
    """Each sensitive column alone, and all of them together when there are several."""
    alone: list[tuple[str, ...]] = [(name,) for name in sensitive]
    return [*alone, tuple(sensitive)] if len(alone) > 1 else alone


def groups(
    train: pl.DataFrame, names: Sequence[str], columns: Columns, settings: Settings
) -> list[dict[str, Any]]:
    """One entry per group, a missing value being a group of its own; in the order of the values.

    `missing` holds the rate of missing values of each column in which the table has any.
    """
    gappy = [
        name
        for name in (*columns.features, columns.target, *columns.sensitive)
        if name not in names and train[name].null_count()
    ]
    gappy = list(dict.fromkeys(gappy))
    positive = is_positive(columns)
    table = (
        train.group_by(*names)
        .agg(
            pl.len().alias("num rows"),
            positive.sum().alias("num positive"),
            *(pl.col(name).is_null().mean().alias(f"missing {name}") for name in gappy),
        )
        .sort(*names, nulls_last=True)
    )
    totals = table["num rows"].to_numpy().astype(float)
    low, high = wilson(table["num positive"].to_numpy().astype(float), totals, settings.confidence)
    return [
        {
            "group": {name: row[name] for name in names},
            "num_rows": row["num rows"],
            "share": round(row["num rows"] / train.height, 6),
            "num_positive": row["num positive"],
            "positive_rate": round(row["num positive"] / row["num rows"], 6),
            "positive_rate_low": round(float(low[i]), 6),
            "positive_rate_high": round(float(high[i]), 6),
            "missing": {name: round(row[f"missing {name}"], 6) for name in gappy},
            "too_small": row["num rows"] < settings.min_group_size,
        }
        for i, row in enumerate(table.iter_rows(named=True))
    ]


def gap(entries: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The greatest difference of label rates between two groups that are large enough.

    None when fewer than two are.
    """
    large = [entry for entry in entries if not entry["too_small"]]
    if len(large) < 2:
        return None
    lowest = min(large, key=lambda entry: entry["positive_rate"])
    highest = max(large, key=lambda entry: entry["positive_rate"])
    return {
        "positive_rate_difference": round(highest["positive_rate"] - lowest["positive_rate"], 6),
        "highest": highest["group"],
        "lowest": lowest["group"],
        "num_groups": len(large),
        "num_too_small": len(entries) - len(large),
    }
