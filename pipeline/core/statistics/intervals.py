"""Confidence intervals: for a rate, and for any statistic of rows; largest gaps have their own.

A gate decides on these bounds, so each says how it is made and where the method comes from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CONFIDENCES = (0.9, 0.95, 0.975, 0.99)
"""Of the one-sided bounds that a bootstrap keeps: a rule's own confidence then needs no new one."""


def wilson(successes: Floats, totals: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Two-sided score intervals of proportions.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927) 209-212. A total of zero gives [0, 1].

    Args:
        successes: Counts, shape (n,).
        totals: Counts, shape (n,).
        confidence: Coverage of the two-sided interval.

    Returns:
        Lower and upper bounds, each of shape (n,).
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    empty = np.asarray(totals) == 0
    count = np.where(empty, 1.0, np.asarray(totals, dtype=float))
    share = np.asarray(successes, dtype=float) / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return (
        np.where(empty, 0.0, np.clip(centre - half, 0, 1)),
        np.where(empty, 1.0, np.clip(centre + half, 0, 1)),
    )


@dataclass(frozen=True)
class Interval:
    """A value with one-sided bounds: each of `low` and `high` errs with probability 1 - confidence.

    Together they are a two-sided interval of confidence 2 · confidence - 1. From a bootstrap it
    has its standard error too, and by confidence the bounds at CONFIDENCES.
    """

    value: float
    low: float
    high: float
    standard_error: float | None = None
    bounds: Mapping[float, tuple[float, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "value": round(self.value, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
        }
        if self.standard_error is not None:
            found["standard_error"] = round(self.standard_error, 8)
        if self.bounds:
            found["bounds"] = {
                f"{confidence:g}": [round(low, 6), round(high, 6)]
                for confidence, (low, high) in self.bounds.items()
            }
        return found


def bootstrap(
    statistics: Callable[[Floats], dict[str, float]],
    num_rows: int,
    *,
    confidence: float,
    num_replicates: int,
    seed: int,
) -> dict[str, Interval]:
    """Percentile bootstrap over rows, of several statistics at once.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, Ann. Stat. 7 (1979) 1-26.
    Right for smooth statistics (accuracy, ROC AUC, log loss); the largest of several gaps is not
    smooth: see `pipeline.core.statistics.largest_gap`.

    Args:
        statistics: From each row's weight (how often it was drawn), shape (num_rows,), to numbers.
        num_rows: How many rows there are.
        confidence: Of each one-sided bound.
        num_replicates: How many resamples.
        seed: Of the resampling.
    """
    drawn = replicates(statistics, num_rows, num_replicates=num_replicates, seed=seed)
    return _summed_up(statistics(np.ones(num_rows)), drawn, confidence)


def paired_bootstrap(
    ours: Callable[[Floats], dict[str, float]],
    theirs: Callable[[Floats], dict[str, float]],
    better: Mapping[str, bool],
    num_rows: int,
    *,
    confidence: float,
    num_replicates: int,
    seed: int,
) -> tuple[dict[str, Interval], dict[str, Interval], dict[str, Interval]]:
    """The bootstrap of two models on the same resamples, and of what the first gains.

    Args:
        ours: The first model's statistics.
        theirs: The second one's, of the same names.
        better: By name, whether more is better; a gain is above 0 where the first is better.
        num_rows: How many rows there are.
        confidence: Of each one-sided bound.
        num_replicates: How many resamples.
        seed: Of the resampling.
    """

    def gain(mine: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
        return {
            name: (mine[name] - other[name]) * (1 if larger else -1)
            for name, larger in better.items()
        }

    values, drawn = [], []
    for statistics in (ours, theirs):
        values.append(statistics(np.ones(num_rows)))
        drawn.append(replicates(statistics, num_rows, num_replicates=num_replicates, seed=seed))
    gained = [gain(*pair) for pair in zip(*drawn, strict=True)]
    first, second = (_summed_up(*of, confidence) for of in zip(values, drawn, strict=True))
    return first, second, _summed_up(gain(*values), gained, confidence)


def _summed_up(
    value: Mapping[str, float], drawn: list[dict[str, float]], confidence: float
) -> dict[str, Interval]:
    """Intervals of statistics from their replicates."""
    found = {}
    for name in value:
        values = np.array([one[name] for one in drawn])
        bounds = {
            level: (float(np.quantile(values, 1 - level)), float(np.quantile(values, level)))
            for level in sorted({*CONFIDENCES, confidence})
        }
        found[name] = Interval(value[name], *bounds[confidence], float(values.std()), bounds)
    return found


def replicates(
    statistics: Callable[[Floats], dict[str, float]],
    num_rows: int,
    *,
    num_replicates: int,
    seed: int,
) -> list[dict[str, float]]:
    """The statistics of each resample. One seed draws the same rows for everything that is
    measured on as many rows, so two sets of replicates can be subtracted, pair by pair."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(num_replicates):
        times = np.bincount(rng.integers(0, num_rows, num_rows), minlength=num_rows)
        drawn.append(statistics(times.astype(np.float64)))
    return drawn


def resampled_counts(counts: NDArray[np.int64], num_replicates: int, seed: int) -> Floats:
    """Bootstrap of rows, from how many rows each cell has: what a resample of the rows would count.

    A resample of n rows holds multinomially many of each cell, so rows need not be drawn one by
    one: the same bootstrap, at the cost of the cells alone.

    Args:
        counts: Rows in each cell, of any shape.
        num_replicates: How many resamples.
        seed: Of the resampling.

    Returns:
        Shape (num_replicates, *counts.shape); each resample has as many rows as there are.
    """
    total = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(
        total, counts.ravel() / max(total, 1), size=num_replicates
    )
    return drawn.reshape(num_replicates, *counts.shape).astype(np.float64)
