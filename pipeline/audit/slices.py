"""What models say of labels that they did not see, and the slices in which labels stand out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.audit import data_bias, label_noise, slice_search
from pipeline.audit.representation import Grouped, Labels, grouped
from pipeline.audit.search_settings import SearchSettings
from pipeline.audit.slice_search import Coded, Outcome
from pipeline.core.settings.columns import Columns
from pipeline.core.statistics.intervals import wilson

Flags = NDArray[np.bool_]


NUM_LEAVES = 8
"""Larger trees fit noise, and rows of the same stated chance would then differ by what was missed
(`docs/decisions/0023`)."""


@dataclass(frozen=True)
class Doubts:
    """What models that did not see a row say of its label, for the rows that were looked at.

    `rows` are indices of the table; `suspects` flags and `probabilities` are of these rows, the
    latter of shape (rows, classes).
    """

    rows: NDArray[np.int64]
    suspects: Flags
    probabilities: NDArray[np.float64]

    def report(self, by: Sequence[Grouped], settings: SearchSettings) -> dict[str, Any]:
        """Suspect labels by group."""
        return {
            "num_rows": len(self.rows),
            "num_suspects": int(self.suspects.sum()),
            "by": {
                one.by: _suspects_by_group(one, self.rows, self.suspects, settings) for one in by
            },
        }


def doubts(
    train: pl.DataFrame, columns: Columns, labels: Labels, settings: SearchSettings, features: Any
) -> Doubts | None:
    """Compare labels with what the features say of them, on rows not fitted on.

    The models see no sensitive column, so that labels that were flipped for a group are not learnt
    as a rule about that group. None where a class has fewer rows than there are folds.
    """
    rows = sampled(train.height, settings.max_noise_rows, settings.seed)
    values, categorical = features.matrix(train[rows], columns, columns.sensitive)
    present, classes = np.unique(labels.codes[rows], return_inverse=True)
    sizes = np.bincount(classes)
    if len(present) < 2 or sizes.min() < settings.num_folds or values.shape[1] == 0:
        return None
    fitted, _ = label_noise.out_of_fold(
        values,
        categorical,
        classes,
        num_folds=settings.num_folds,
        seed=settings.seed,
        num_leaves=NUM_LEAVES,
    )
    probabilities = np.zeros((len(rows), len(labels.names)))
    probabilities[:, present] = fitted
    return Doubts(rows, label_noise.suspects(classes, fitted), probabilities)


def _suspects_by_group(
    by: Grouped, rows: NDArray[np.int64], flags: Flags, settings: SearchSettings
) -> dict[str, Any]:
    sizes = np.bincount(by.codes[rows], minlength=len(by.groups))
    hits = np.bincount(by.codes[rows][flags], minlength=len(by.groups))
    low, high = wilson(hits.astype(float), sizes.astype(float), settings.confidence)
    large, titles = np.flatnonzero(sizes >= settings.min_group_size), by.titles
    gap = (
        data_bias.rate_difference(
            "suspect_rate_difference",
            [titles[i] for i in large],
            hits[large],
            sizes[large],
            settings.confidence,
        ).as_dict()
        if len(large) > 1
        else None
    )
    return {
        "gap": gap,
        "groups": [
            {
                "group": titles[i],
                "num_rows": int(sizes[i]),
                "num_suspects": int(hits[i]),
                "value": round(hits[i] / sizes[i], 6),
                "low": round(float(low[i]), 6),
                "high": round(float(high[i]), 6),
                "too_small": bool(sizes[i] < settings.min_group_size),
            }
            for i in range(len(by.groups))
            if sizes[i]
        ],
    }


def sliced(
    train: pl.DataFrame,
    columns: Columns,
    labels: Labels | None,
    doubted: Doubts | None,
    settings: SearchSettings,
    features: Any,
) -> list[dict[str, Any]]:
    """Three searches: labels over ordinary features; and over slices that name a sensitive column,
    suspect labels, and labels among rows to which the features give the same chance.

    The last two are where labels that were flipped for one crossing of groups show.
    """
    ordinary = [name for name in columns.features if name not in columns.sensitive]
    coded = [_coded(one) for name in ordinary for one in features.described(train, name)]
    flags = _outcomes(train, columns, labels)
    how: dict[str, Any] = {
        "depth": settings.slice_depth,
        "min_rows": settings.min_slice_rows,
        "confidence": settings.confidence,
        "max_shown": settings.num_slices,
    }
    plain = {name: Outcome(one) for name, one in flags.items()}
    found = [{"kind": "labels", **slice_search.search(coded, plain, **how)}]
    if doubted is None or not columns.sensitive:
        return found
    groups = [grouped(train, (name,), columns, 1) for name in columns.sensitive]
    coded = [*(Coded(one.by, one.codes, one.titles) for one in groups), *coded]
    coded = [Coded(one.name, one.codes[doubted.rows], one.levels) for one in coded]
    how |= {"naming": columns.sensitive}
    first = 1 if columns.task == "binary" else 0
    alike = {
        name: Outcome(one[doubted.rows], _ranked(doubted.probabilities[:, first + k]))
        for k, (name, one) in enumerate(flags.items())
    }
    suspects = {"suspect label": Outcome(doubted.suspects)}
    return [
        *found,
        {"kind": "suspects", **slice_search.search(coded, suspects, **how)},
        {"kind": "alike", **slice_search.search(coded, alike, **how)},
    ]


NUM_STRATA = 50
"""Rows are taken as alike when their chances fall between the same two of so many quantiles."""


def _ranked(chances: NDArray[np.float64]) -> NDArray[np.int64]:
    edges = np.unique(np.quantile(chances, np.arange(1, NUM_STRATA) / NUM_STRATA))
    return np.searchsorted(edges, chances, side="right").astype(np.int64)


def _coded(names: pl.Series) -> Coded:
    levels, codes = np.unique(names.to_numpy().astype(str), return_inverse=True)
    return Coded(names.name, codes.astype(np.int64), [str(one) for one in levels])


def _outcomes(train: pl.DataFrame, columns: Columns, labels: Labels | None) -> dict[str, Flags]:
    """What slices are searched for: positive labels, each class, or a number above its median."""
    if labels is None:
        target = train[columns.target].cast(pl.Float64).to_numpy()
        return {f"{columns.target} above its median": target > np.nanmedian(target)}
    if columns.task == "binary":
        return {f"{columns.target} is {columns.positive}": labels.codes == 1}
    return {f"{columns.target} is {name}": labels.codes == k for k, name in enumerate(labels.names)}


def sampled(num_rows: int, at_most: int, seed: int) -> NDArray[np.int64]:
    """Which rows to look at: all, or a random sample in the table's order."""
    if num_rows <= at_most:
        return np.arange(num_rows)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(num_rows, at_most, replace=False))
