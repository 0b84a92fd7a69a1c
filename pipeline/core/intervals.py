"""Confidence intervals: for a rate, for any statistic of rows, and for the largest gap of many.

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
    smooth: see `max_gap`.

    Args:
        statistics: From each row's weight (how often it was drawn), shape (num_rows,), to numbers.
        num_rows: How many rows there are.
        confidence: Of each one-sided bound.
        num_replicates: How many resamples.
        seed: Of the resampling.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(num_replicates):
        times = np.bincount(rng.integers(0, num_rows, num_rows), minlength=num_rows)
        drawn.append(statistics(times.astype(np.float64)))
    found = {}
    for name, value in statistics(np.ones(num_rows)).items():
        values = np.array([one[name] for one in drawn])
        bounds = {
            level: (float(np.quantile(values, 1 - level)), float(np.quantile(values, level)))
            for level in sorted({*CONFIDENCES, confidence})
        }
        found[name] = Interval(value, *bounds[confidence], float(values.std()), bounds)
    return found


@dataclass(frozen=True)
class Rates:
    """Success counts of several rates in several groups: `successes` of `totals`, shape (r, g)."""

    successes: Floats
    totals: Floats


def max_gap(
    rates: Rates, *, confidence: float, num_replicates: int, seed: int, ratio: bool = False
) -> Interval:
    """The largest difference (or, with `ratio`, the smallest ratio) between groups, with bounds.

    The largest of several gaps is not a smooth statistic: its plug-in value is biased upwards and
    its percentile bootstrap too. These bounds hold simultaneously over all pairs of groups and all
    rates (max-T): with c the `confidence` quantile of the largest studentised deviation over the
    pairs, the high bound is max(gap + c·se), the low bound max(gap - c·se). Deviations are drawn
    by a parametric bootstrap of the counts, each rate shrunk by Agresti and Coull's +2/+4 so that
    an empty or full cell still varies.

    Source: J. P. Romano, M. Wolf, Exact and approximate stepdown methods for multiple hypothesis
    testing, JASA 100 (2005) 94-108. With `ratio` the same on logarithms.

    Returns:
        For a difference, value and bounds in [0, 1], larger is worse; for a ratio, value and
        bounds in [0, 1], smaller is worse. One group alone gives no gap: 0 (ratio: 1), exactly.
        A group without rows for a rate leaves the gap open: its worse bound is the worst one.
    """
    num_groups = rates.totals.shape[1]
    first, second = np.triu_indices(num_groups, k=1)
    if len(first) == 0:
        same = 1.0 if ratio else 0.0
        return Interval(same, same, same)
    totals = rates.totals.astype(np.int64)
    shrunk = (rates.successes + 2) / (rates.totals + 4)
    scale: Callable[[Floats], Floats] = np.log if ratio else np.asarray
    variance = shrunk * (1 - shrunk) / (rates.totals + 4)
    if ratio:
        variance = variance / shrunk**2
    error = np.sqrt(variance[:, first] + variance[:, second])

    rng = np.random.default_rng(seed)
    drawn = rng.binomial(totals, shrunk, size=(num_replicates, *totals.shape))
    moved = scale((drawn + 2) / (totals + 4)) - scale(shrunk)
    deviation = np.abs(moved[..., first] - moved[..., second]) / error
    c = float(np.quantile(deviation.max(axis=(1, 2)), confidence))

    with np.errstate(divide="ignore", invalid="ignore"):
        observed = scale(np.where(rates.totals > 0, rates.successes / rates.totals, np.nan))
        gap = np.abs(observed[:, first] - observed[:, second])
    gap = np.where(np.isnan(gap), 0.0, gap)
    value = float(gap.max())
    low = float(np.max(np.maximum(np.where(np.isinf(gap), 0.0, gap) - c * error, 0.0)))
    high = np.inf if (rates.totals == 0).any() else float(np.max(gap + c * error))
    if ratio:
        return Interval(float(np.exp(-value)), float(np.exp(-high)), float(np.exp(-low)))
    return Interval(value, low, min(high, 1.0))
