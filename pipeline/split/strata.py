"""How targets are spread over the parts of a split, for every task.

A part is like the others when it has the same share of each class; a number's classes are the
quarters of all its values.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from pipeline.core.dataset.labels import class_names, joining, numbers
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.core.statistics.intervals import wilson

NUM_QUARTERS = 4
MAX_NAMED = 5


def strata(parts: Mapping[str, pl.DataFrame], columns: Columns) -> dict[str, list[int]]:
    """How many rows of each class each part has, in the order of the classes of all parts.

    Raises:
        ProjectError: a row has no target, or one that is not what the task asks for.
    """
    if columns.task == "regression":
        values = {name: numbers(rows, columns) for name, rows in parts.items()}
        together = np.concatenate(list(values.values()))
        edges = np.unique(np.quantile(together, np.arange(1, NUM_QUARTERS) / NUM_QUARTERS))
        found = {name: np.searchsorted(edges, one, side="left") for name, one in values.items()}
        num_classes = len(edges) + 1
    else:
        names = {name: class_names(rows, columns) for name, rows in parts.items()}
        known = pl.concat(list(names.values())).unique().sort()
        index = pl.Enum(known)
        found = {name: one.cast(index).to_physical().to_numpy() for name, one in names.items()}
        num_classes = known.len()
    return {name: np.bincount(one, minlength=num_classes).tolist() for name, one in found.items()}


def check_strata(parts: Mapping[str, pl.DataFrame], columns: Columns) -> None:
    """Refuse a part that lacks rows of a class; where the target is a number, one without rows."""
    if columns.task == "regression":
        if findings := [f"{name}: no row" for name, rows in parts.items() if rows.height == 0]:
            raise ProjectError(
                "split: expected rows of some target in every part",
                findings=findings,
                hint="deliver more rows, or give these parts a larger share under `split.shares`",
            )
        return
    names = pl.concat([class_names(rows, columns) for rows in parts.values()])
    classes = list(names.value_counts().sort(columns.target).iter_rows())
    findings = []
    for part, counts in strata(parts, columns).items():
        lacking = [
            f"{name!r} ({num} row{'s' if num > 1 else ''} in all)"
            for (name, num), count in zip(classes, counts, strict=True)
            if count == 0
        ]
        if lacking:
            more = [f"{len(lacking) - MAX_NAMED} more"] if len(lacking) > MAX_NAMED else []
            findings.append(
                f"{part}: {parts[part].height} rows, {len(lacking)} of {len(counts)} classes "
                f"lacking: {', '.join([*lacking[:MAX_NAMED], *more])}"
            )
    if findings:
        raise ProjectError(
            "split: expected rows of every class in every part",
            findings=findings,
            hint=joining(columns),
        )


def chi_square(part: list[int], all_rows: list[int]) -> tuple[float, float]:
    """Pearson's statistic of a part's classes against those of all other rows, and its p-value.

    Degrees of freedom: the classes that there are, less one; no correction (Pearson 1900). Of two
    classes it is the statistic that `split` works out for a binary task.
    """
    from scipy.stats import chi2_contingency

    found, whole = np.array(part), np.array(all_rows)
    table = np.array([found, whole - found])[:, whole > 0]
    tested = chi2_contingency(table, correction=False)
    return float(tested.statistic), float(tested.pvalue)


def described(rows: pl.DataFrame, columns: Columns) -> dict[str, Any]:
    """A part's target in numbers: the share of each class with its interval, or mean and spread."""
    if columns.task == "regression":
        values = numbers(rows, columns)
        error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        mean = float(values.mean())
        return {
            "target": {
                "mean": round(mean, 6),
                "mean_low": round(mean - 1.959964 * error, 6),
                "mean_high": round(mean + 1.959964 * error, 6),
                "min": float(values.min()),
                "max": float(values.max()),
            }
        }
    counts = class_names(rows, columns).value_counts(name="num_rows", sort=False)
    counts = counts.sort(columns.target)
    hits = counts["num_rows"].to_numpy().astype(float)
    low, high = wilson(hits, np.full(len(hits), float(rows.height)))
    return {
        "classes": [
            {
                "class": name,
                "num_rows": num,
                "share": round(num / rows.height, 6),
                "low": round(float(low[i]), 6),
                "high": round(float(high[i]), 6),
            }
            for i, (name, num) in enumerate(counts.iter_rows())
        ]
    }
