"""Differences between groups among rows that are alike in one named column.

A difference can be due to where people are found (one group applies more where few are accepted),
and it can even turn round: more often positive in every stratum, less often on the whole. That is
Simpson's paradox. Both differences are shown beside each other; which one matters is for people
to say, since the named column may itself carry past decisions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audit.data_bias import newcombe, normal_quantile, num_pairs, widened
from pipeline.audit.stratified import mantel_haenszel

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


MAX_CELLS = 4_000_000
"""So many resampled counts are held at a time."""


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
    total, size = int(counts.sum()), max(MAX_CELLS // counts.size, 1)
    level = widened(confidence, len(shown))
    ends = [(1 - level) / 2, (1 + level) / 2]
    marginal, conditional = [], []
    for start in range(0, num_replicates, size):
        rows = min(size, num_replicates - start)
        drawn = rng.multinomial(total, counts.ravel() / total, rows).reshape(rows, *counts.shape)
        marginal.append(demographic_disparity(drawn.sum(axis=1).astype(float)))
        conditional.append(conditional_demographic_disparity(drawn.astype(float)))
    whole = counts.astype(float)
    found = {}
    for key, value, replicates in (
        ("marginal", demographic_disparity(whole.sum(axis=0)), marginal),
        ("conditional", conditional_demographic_disparity(whole), conditional),
    ):
        low, high = np.quantile(np.concatenate(replicates), ends, axis=0)
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
) -> dict[str, Any]:
    """Marginal and stratified difference of positive rates of pairs of groups.

    Of all pairs, the one with the largest marginal difference is listed, and those in which the
    direction turns round, at most MAX_PAIRS.

    The stratified one is Mantel and Haenszel's, its interval Sato's (`pipeline.audit.stratified`);
    the marginal one has Newcombe's. Both are widened for the number of pairs. `share_compared` is
    the share of both groups' rows in strata that have both; a pair without such is absent.

    `reversal` says whether a marginal difference that is no chance (its interval excludes 0) turns
    round within the strata: `shown` when that interval excludes 0 on the other side, `possible`
    when its value alone lies there, `none` else.

    Args:
        names: The groups to compare, length g.
        counts: Rows by stratum, group and label, shape (strata, g, 2).
    """
    level = widened(confidence, num_pairs(len(names)))
    first, second = np.triu_indices(len(names), k=1)
    whole = counts.sum(axis=0)
    rates, totals = whole[:, 1] / whole.sum(axis=1), whole.sum(axis=1)
    swapped = rates[first] < rates[second]
    a, b = np.where(swapped, second, first), np.where(swapped, first, second)
    marginal = rates[a] - rates[b]
    down, up = newcombe(whole[a, 1], totals[a], whole[b, 1], totals[b], level)
    sizes, hits = counts.sum(axis=2), counts[:, :, 1]
    value, error = mantel_haenszel(hits[:, a], sizes[:, a], hits[:, b], sizes[:, b])
    half = normal_quantile(level) * error
    low, high = np.maximum(value - half, -1.0), np.minimum(value + half, 1.0)
    shared = (sizes[:, a] > 0) & (sizes[:, b] > 0)
    share = ((sizes[:, a] + sizes[:, b]) * shared).sum(axis=0) / (totals[a] + totals[b])
    turned, order = (value < 0) & (down > 0), np.argsort(-marginal, kind="stable")
    order = order[np.isfinite(value[order])]
    shown = [*order[:1], *[i for i in order[1:] if turned[i]][: MAX_PAIRS - 1]]
    return {
        "num_pairs": len(order),
        "num_reversed": int(turned[order].sum()),
        "pairs": [
            {
                "highest": names[a[i]],
                "lowest": names[b[i]],
                "marginal": _span(marginal[i], down[i], up[i]),
                "stratified": _span(value[i], low[i], high[i]),
                "share_compared": _six(share[i]),
                "reversal": "none" if not turned[i] else "shown" if high[i] < 0 else "possible",
            }
            for i in shown
        ],
    }


MAX_PAIRS = 10
"""So many pairs of groups are listed; how many turn round is counted."""


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
