"""Differences between groups among rows that are alike in one named column.

A difference can be due to where people are found (one group applies more where few are accepted),
and it can even turn round: more often positive in every stratum, less often on the whole. That is
Simpson's paradox. Both differences are shown beside each other; which one matters is for people
to say, since the named column may itself carry past decisions.
"""

from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.data_bias import newcombe, num_pairs, widened

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def stratified_difference(
    first: Counts, second: Counts, confidence: float
) -> tuple[float, float, float, float] | None:
    """The difference of two groups' positive rates within strata, averaged over strata.

    Strata weigh as in W. Cochran 1954 and N. Mantel and W. Haenszel 1959: n_a n_b / (n_a + n_b),
    so that a stratum in which one group is absent weighs nothing. The variance is that of T. Sato,
    On the variance estimator for the Mantel-Haenszel risk difference, Biometrics 45 (1989)
    1323-1324, right for few large strata and for many small ones. That the strata's own differences
    are alike is not assumed: it is their average.

    Args:
        first: Negative and positive rows of group a by stratum, shape (strata, 2).
        second: The same of group b.
        confidence: Of the two-sided interval.

    Returns:
        Value, low, high, and the share of both groups' rows in strata that have both; None when
        no stratum has both.
    """
    size, other = first.sum(axis=1).astype(float), second.sum(axis=1).astype(float)
    hits, other_hits = first[:, 1].astype(float), second[:, 1].astype(float)
    shared = (size > 0) & (other > 0)
    if not shared.any():
        return None
    n_a, n_b, y_a, y_b = size[shared], other[shared], hits[shared], other_hits[shared]
    n = n_a + n_b
    weight = float((n_a * n_b / n).sum())
    value = float(((y_a * n_b - y_b * n_a) / n).sum()) / weight
    p = (n_a**2 * y_b - n_b**2 * y_a + n_a * n_b * (n_b - n_a) / 2) / n**2
    q = (y_a * (n_b - y_b) + y_b * (n_a - y_a)) / (2 * n)
    variance = max(value * float(p.sum()) + float(q.sum()), 0.0) / weight**2
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * variance**0.5
    share = float(n.sum() / (size.sum() + other.sum()))
    return value, max(value - half, -1.0), min(value + half, 1.0), share


def demographic_disparity(counts: Floats) -> Floats:
    """A group's share of the negative rows minus its share of the positive ones, by group.

    Above 0, the group has more of the rejections than of the acceptances. Source: S. Wachter,
    B. Mittelstadt, C. Russell, Why fairness cannot be automated, Computer Law and Security Review
    41 (2021), and Das et al. 2021, DD.

    Args:
        counts: Shape (…, groups, 2), negative and positive rows.
    """
    totals = counts.sum(axis=-2, keepdims=True)
    shares = counts / np.maximum(totals, 1.0)
    seen = (totals > 0).all(axis=-1)  # without a positive or a negative row nothing can differ
    found: Floats = np.where(seen, shares[..., 0] - shares[..., 1], 0.0)
    return found


def conditional_demographic_disparity(counts: Floats) -> Floats:
    """The mean of `demographic_disparity` over strata, weighted by their rows.

    Source: Das et al. 2021, CDD. A stratum with labels of one kind alone counts as 0.

    Args:
        counts: Shape (…, strata, groups, 2).
    """
    weights = counts.sum(axis=(-1, -2))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    found: Floats = (demographic_disparity(counts) * weights[..., None]).sum(axis=-2)
    return found


def disparities(
    names: Sequence[str],
    counts: Counts,
    shown: Sequence[int],
    *,
    confidence: float,
    num_replicates: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Disparity and conditional disparity of some groups, each against all other rows.

    Intervals are percentiles of a multinomial bootstrap over all cells (smooth statistics, whose
    bias is small where strata have dozens of rows), widened for the number of groups shown.

    Args:
        names: All groups.
        counts: Rows by stratum, group and label, shape (strata, groups, 2).
        shown: Which groups to report.
    """
    rng = np.random.default_rng(seed)
    total = int(counts.sum())
    drawn = rng.multinomial(total, counts.ravel() / total, num_replicates)
    replicates = drawn.reshape(num_replicates, *counts.shape).astype(float)
    level = widened(confidence, len(shown))
    ends = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for key, function, pooled in (
        ("marginal", demographic_disparity, True),
        ("conditional", conditional_demographic_disparity, False),
    ):
        whole = counts.sum(axis=0) if pooled else counts
        value = function(whole.astype(float))
        low, high = np.quantile(
            function(replicates.sum(axis=1) if pooled else replicates), ends, axis=0
        )
        found[key] = (value, low, high)
    return [
        {
            "group": names[i],
            **{
                key: {"value": _six(value[i]), "low": _six(low[i]), "high": _six(high[i])}
                for key, (value, low, high) in found.items()
            },
        }
        for i in shown
    ]


def conditional_differences(
    names: Sequence[str], counts: Counts, confidence: float
) -> list[dict[str, Any]]:
    """Marginal and stratified difference of positive rates for each pair of groups, largest first.

    `reversal` says whether a marginal difference that is no chance (its interval excludes 0) turns
    round within the strata: `shown` when that interval excludes 0 on the other side, `possible`
    when its value alone lies there, `none` else.

    Args:
        names: The groups to compare, length g.
        counts: Rows by stratum, group and label, shape (strata, g, 2).
    """
    level = widened(confidence, num_pairs(len(names)))
    whole = counts.sum(axis=0)
    rates = whole[:, 1] / whole.sum(axis=1)
    found = []
    for i, j in combinations(range(len(names)), 2):
        a, b = (i, j) if rates[i] >= rates[j] else (j, i)
        within = stratified_difference(counts[:, a], counts[:, b], level)
        if within is None:
            continue
        value, low, high, share = within
        totals = whole.sum(axis=1)
        down, up = newcombe(whole[[a], 1], totals[[a]], whole[[b], 1], totals[[b]], level)
        turned = value < 0 < down[0]
        reversal = "none" if not turned else "shown" if high < 0 else "possible"
        found.append(
            {
                "highest": names[a],
                "lowest": names[b],
                "marginal": _span(rates[a] - rates[b], down[0], up[0]),
                "stratified": _span(value, low, high),
                "share_compared": _six(share),
                "reversal": reversal,
            }
        )
    return sorted(found, key=lambda one: -one["marginal"]["value"])


def sentence(pair: dict[str, Any], column: str) -> str:
    """What a pair's two differences say, for somebody who knows neither."""
    marginal, within = pair["marginal"], pair["stratified"]
    text = (
        f"On the whole, {pair['highest']} has the outcome {100 * marginal['value']:.1f} percentage "
        f"points more often than {pair['lowest']}"
    )
    points = f"{abs(100 * within['value']):.1f} points {'less' if within['value'] < 0 else 'more'}"
    among = f"among rows alike in {column}, {points} often"
    if pair["reversal"] == "shown":
        return f"{text}, but {among}: the direction turns round (Simpson's paradox)."
    if pair["reversal"] == "possible":
        return f"{text}, but {among}: the direction may turn round, or that may be chance."
    if within["low"] <= 0 <= within["high"]:
        return f"{text}; {among}, which may be chance."
    return f"{text}; {among}."


def _span(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": _six(value), "low": _six(low), "high": _six(high)}


def _six(value: float) -> float:
    return round(float(value), 6)
