"""Who is in a table: each group's rows, labels and missing cells, and the gaps between groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.audit import data_bias
from pipeline.audit.data_bias import Gap
from pipeline.core.dataset.groups import CROSS, MISSING, level_order, levels
from pipeline.core.dataset.labels import positives
from pipeline.core.settings.columns import Columns
from pipeline.core.statistics.intervals import wilson

Counts = NDArray[np.int64]
POSITIVE = "positive"


@dataclass(frozen=True)
class Labels:
    """The target as whole numbers from 0: `names` of the classes, `codes` of the rows."""

    names: list[str]
    codes: Counts


def class_labels(table: pl.DataFrame, columns: Columns) -> Labels | None:
    """Each row's class; of a binary task 0 or 1, 1 being the positive one; None for a number."""
    if columns.task == "regression":
        return None
    if columns.task == "binary":
        return Labels(["other", POSITIVE], positives(table, columns).to_numpy().astype(np.int64))
    text = table[columns.target].cast(pl.String).fill_null(MISSING)
    names = sorted(text.unique().to_list())
    codes = text.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    return Labels(names, codes)


@dataclass(frozen=True)
class Grouped:
    """The rows by one crossing of sensitive columns.

    Attributes:
        names: The sensitive columns.
        groups: Each group's values of them, in the order that people would list them.
        codes: Each row's group, shape (rows,).
        sizes: Rows by group, shape (g,).
        large: Which groups have enough rows to be compared, shape (g,).
    """

    names: tuple[str, ...]
    groups: list[tuple[str, ...]]
    codes: Counts
    sizes: Counts
    large: NDArray[np.bool_]

    @property
    def by(self) -> str:
        return CROSS.join(self.names)

    @property
    def titles(self) -> list[str]:
        return [CROSS.join(group) for group in self.groups]

    def counts(self, codes: Counts, num_codes: int) -> Counts:
        """Rows by group and by another code, shape (g, num_codes)."""
        index = self.codes * num_codes + codes
        counted = np.bincount(index, minlength=len(self.groups) * num_codes)
        return counted.reshape(-1, num_codes)


def grouped(
    table: pl.DataFrame, names: tuple[str, ...], columns: Columns, min_rows: int
) -> Grouped:
    """The groups that the table has rows of, none left out."""
    parts = [levels(table, name, columns) for name in names]
    ordered = pl.DataFrame(
        [part.cast(pl.Enum(level_order(part, columns))).alias(part.name) for part in parts]
    )
    found = ordered.unique().sort(*names).with_row_index("_group")
    codes = ordered.join(found, on=list(names), how="left", maintain_order="left")["_group"]
    sizes = np.bincount(codes.to_numpy(), minlength=found.height)
    groups = [tuple(map(str, row)) for row in found.drop("_group").iter_rows()]
    return Grouped(names, groups, codes.to_numpy().astype(np.int64), sizes, sizes >= min_rows)


def missing_by_group(table: pl.DataFrame, by: Grouped, columns: Columns) -> dict[str, Counts]:
    """Rows by group that lack each column in which the table lacks any, but the groups' own."""
    names = dict.fromkeys((*columns.features, columns.target, *columns.sensitive))
    return {
        name: by.counts(table[name].is_null().to_numpy().astype(np.int64), 2)[:, 1]
        for name in names
        if name not in by.names and table[name].null_count()
    }


def entries(
    table: pl.DataFrame, by: Grouped, columns: Columns, labels: Labels | None, confidence: float
) -> list[dict[str, Any]]:
    """One entry per group: rows, labels with intervals, and the rates of what is missing."""
    lacking = missing_by_group(table, by, columns)
    said = (
        _means(table, by, columns, confidence)
        if labels is None
        else _rates(by.counts(labels.codes, len(labels.names)), labels, confidence)
    )
    return [
        {
            "group": dict(zip(by.names, group, strict=True)),
            "num_rows": int(by.sizes[i]),
            "share": _six(by.sizes[i] / table.height),
            **said[i],
            "missing": {name: _six(rows[i] / by.sizes[i]) for name, rows in lacking.items()},
            "too_small": not by.large[i],
        }
        for i, group in enumerate(by.groups)
    ]


def _rates(counts: Counts, labels: Labels, confidence: float) -> list[dict[str, Any]]:
    sizes = counts.sum(axis=1)
    low, high = wilson(counts.astype(float), sizes[:, None].astype(float), confidence)
    if labels.names[-1] == POSITIVE and len(labels.names) == 2:
        return [
            {
                "num_positive": int(row[1]),
                "positive_rate": _six(row[1] / sizes[i]),
                "positive_rate_low": _six(low[i, 1]),
                "positive_rate_high": _six(high[i, 1]),
            }
            for i, row in enumerate(counts)
        ]
    return [
        {
            "rates": {
                name: {
                    "value": _six(row[k] / sizes[i]),
                    "low": _six(low[i, k]),
                    "high": _six(high[i, k]),
                }
                for k, name in enumerate(labels.names)
            }
        }
        for i, row in enumerate(counts)
    ]


def _means(
    table: pl.DataFrame, by: Grouped, columns: Columns, confidence: float
) -> list[dict[str, Any]]:
    means, variances = moments(table, by, columns)
    half = data_bias.normal_quantile(confidence) * np.sqrt(variances / by.sizes)
    return [
        {"mean": {"value": _six(m), "low": _six(m - h), "high": _six(m + h)}}
        if np.isfinite(h)
        else {"mean": {"value": _six(m), "low": None, "high": None}}
        for m, h in zip(means, half, strict=True)
    ]


def moments(
    table: pl.DataFrame, by: Grouped, columns: Columns
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of a number to predict by group, each of shape (g,)."""
    target = table[columns.target].cast(pl.Float64).to_numpy()
    means = np.bincount(by.codes, target, len(by.groups)) / by.sizes
    squares = np.bincount(by.codes, (target - means[by.codes]) ** 2, len(by.groups))
    with np.errstate(divide="ignore", invalid="ignore"):
        return means, np.where(by.sizes > 1, squares / (by.sizes - 1), np.nan)


def gaps(
    table: pl.DataFrame,
    by: Grouped,
    columns: Columns,
    labels: Labels | None,
    *,
    confidence: float,
    num_replicates: int,
    seed: int,
) -> list[Gap]:
    """Every measure between the groups that are large enough; none when fewer than two are."""
    large = np.flatnonzero(by.large)
    if len(large) < 2:
        return []
    titles, sizes = by.titles, by.sizes[large]
    names = [titles[i] for i in large]
    found = [data_bias.class_imbalance(names, sizes, confidence)]
    if labels is None:
        means, variances = moments(table, by, columns)
        found.append(
            data_bias.mean_difference(names, means[large], variances[large], sizes, confidence)
        )
    else:
        counts = by.counts(labels.codes, len(labels.names))[large]
        found += _label_gaps(names, counts, labels, columns.task, confidence)
        measures = list(data_bias.DIVERGENCES)[: 2 if columns.task == "binary" else 3]
        found += data_bias.divergences(
            measures,
            names,
            counts,
            confidence=confidence,
            num_replicates=num_replicates,
            seed=seed,
        )
    for name, rows in missing_by_group(table, by, columns).items():
        found.append(
            data_bias.rate_difference(
                "missing_rate_difference", names, rows[large], sizes, confidence, name
            )
        )
    return found


def _label_gaps(
    names: Sequence[str], counts: Counts, labels: Labels, task: str, confidence: float
) -> list[Gap]:
    """The difference in label rates: of the positive label, or of each class against the rest."""
    sizes = counts.sum(axis=1)
    shown = [1] if task == "binary" else range(len(labels.names))
    return [
        data_bias.rate_difference(
            "label_rate_difference",
            names,
            counts[:, k],
            sizes,
            confidence,
            None if task == "binary" else labels.names[k],
        )
        for k in shown
    ]


def twins(
    by: Grouped, features: Counts, labels: Labels | None, confidence: float
) -> dict[str, Any]:
    """Rows that are alike in every feature and belong to different groups, and of these the ones
    whose label differs too.

    Args:
        features: The same code for rows with the same features, the groups' columns aside,
            shape (rows,).

    Returns:
        Counts of rows and of sets of alike rows, and the share of the rows with Wilson's interval
        (as if rows were independent, which twins are not: take it as a lower limit of the width).
    """
    rows = pl.DataFrame({"set": features, "group": by.codes})
    if labels is not None:
        rows = rows.with_columns(label=pl.Series(labels.codes))
    sets = rows.group_by("set").agg(
        num_rows=pl.len(),
        groups=pl.n_unique("group"),
        labels=pl.n_unique("label") if labels is not None else pl.lit(1),
    )
    across = sets.filter(pl.col("groups") > 1)
    other = across.filter(pl.col("labels") > 1)
    hits = int(across["num_rows"].sum())
    low, high = wilson(np.array([hits]), np.array([len(by.codes)]), confidence)
    return {
        "num_rows": hits,
        "num_sets": across.height,
        "num_rows_other_label": int(other["num_rows"].sum()) if labels is not None else None,
        "num_sets_other_label": other.height if labels is not None else None,
        "share": {"value": _six(hits / len(by.codes)), "low": _six(low[0]), "high": _six(high[0])},
    }


def _six(value: float) -> float:
    return round(float(value), 6)
