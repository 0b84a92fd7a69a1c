"""Differences between groups in data, before any model: values with intervals, from counts alone.

Every measure compares the two groups between which it is largest. Its interval is widened for the
number m of pairs that they were chosen from: each pair's error is 1/m of the allowed one
(Bonferroni), so that the interval of the chosen pair holds whichever pair was chosen. Groups that
are too small to compare must be left out before.

Names follow S. Das et al., Fairness measures for machine learning in finance, Journal of Financial
Data Science 3 (2021) 33-64, on which SageMaker Clarify's pre-training metrics rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.core.statistics.intervals import wilson

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Gap:
    """A difference between two groups, of one label or column (`of`) where there are several.

    `low` and `high` make a two-sided interval; a bound that is infinite or unknown is None.
    """

    measure: str
    value: float | None
    low: float | None
    high: float | None
    highest: str
    lowest: str
    of: str | None = None

    def as_dict(self) -> dict[str, float | str | None]:
        return {
            "measure": self.measure,
            "of": self.of,
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "highest": self.highest,
            "lowest": self.lowest,
        }


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)


def num_pairs(num_groups: int) -> int:
    return num_groups * (num_groups - 1) // 2


def widened(confidence: float, num_comparisons: int) -> float:
    """The confidence of each of several intervals such that all hold together (Bonferroni)."""
    return 1 - (1 - confidence) / max(num_comparisons, 1)


def class_imbalance(names: Sequence[str], sizes: Counts, confidence: float) -> Gap:
    """(n_a - n_d) / (n_a + n_d) of the largest group a and the smallest d: 0 alike, 1 one alone.

    Source: Das et al. 2021, CI. The interval is Wilson's of n_a among n_a + n_d, stretched from
    [0, 1] to [-1, 1]: it says what other samples of this size would show.
    """
    most, least = _ends(sizes.astype(float))
    both = np.array([sizes[most] + sizes[least]], dtype=float)
    level = widened(confidence, num_pairs(len(sizes)))
    low, high = wilson(np.array([sizes[most]], dtype=float), both, level)
    value = (sizes[most] - sizes[least]) / both[0]
    return Gap(
        "class_imbalance",
        value,
        2 * float(low[0]) - 1,
        2 * float(high[0]) - 1,
        names[most],
        names[least],
    )


def rate_difference(
    measure: str,
    names: Sequence[str],
    hits: Counts,
    totals: Counts,
    confidence: float,
    of: str | None = None,
) -> Gap:
    """The highest share of hits in a group minus the lowest one.

    With positive labels as hits this is Das et al. 2021, DPL. The interval is Newcombe's.
    """
    rates = hits / totals
    highest, lowest = _ends(rates)
    low, high = newcombe(
        hits[[highest]],
        totals[[highest]],
        hits[[lowest]],
        totals[[lowest]],
        widened(confidence, num_pairs(len(totals))),
    )
    value = float(rates[highest] - rates[lowest])
    return Gap(measure, value, float(low[0]), float(high[0]), names[highest], names[lowest], of)


def _ends(values: Floats) -> tuple[int, int]:
    """Where the largest and the smallest value stand; two places also when all are equal."""
    order = np.argsort(-values, kind="stable")
    return int(order[0]), int(order[-1])


def newcombe(
    hits: Counts, totals: Counts, other_hits: Counts, other_totals: Counts, confidence: float
) -> tuple[Floats, Floats]:
    """Two-sided intervals of differences of independent shares, each of shape (n,).

    Wilson's intervals of both shares, joined. Source: R. G. Newcombe, Interval estimation for the
    difference between independent proportions, Statistics in Medicine 17 (1998) 873-890,
    method 10. Holds its coverage also near 0 and 1, and for differences of zero.
    """
    first, second = hits / totals, other_hits / other_totals
    low, high = wilson(hits.astype(float), totals.astype(float), confidence)
    other_low, other_high = wilson(other_hits.astype(float), other_totals.astype(float), confidence)
    down = np.sqrt((first - low) ** 2 + (other_high - second) ** 2)
    up = np.sqrt((high - first) ** 2 + (second - other_low) ** 2)
    return first - second - down, first - second + up


def mean_difference(
    names: Sequence[str], means: Floats, variances: Floats, sizes: Counts, confidence: float
) -> Gap:
    """The highest mean of a number in a group minus the lowest one, in the number's own unit.

    Source of the interval: B. L. Welch, The generalization of Student's problem when several
    different population variances are involved, Biometrika 34 (1947) 28-35; normal quantiles,
    which groups of some dozens of rows allow.
    """
    highest, lowest = _ends(means)
    error = np.sqrt(variances[highest] / sizes[highest] + variances[lowest] / sizes[lowest])
    half = normal_quantile(widened(confidence, num_pairs(len(sizes)))) * float(error)
    value = float(means[highest] - means[lowest])
    return Gap("mean_difference", value, value - half, value + half, names[highest], names[lowest])


def normal_quantile(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def kl_divergence(first: Floats, second: Floats) -> Floats:
    """Sum over labels y of P_a(y) log(P_a(y) / P_d(y)), in nats; labels on the last axis.

    Source: S. Kullback and R. A. Leibler, On information and sufficiency, Annals of Mathematical
    Statistics 22 (1951) 79-86; Das et al. 2021, KL. Infinite where group d lacks a label of a.
    """
    from scipy.special import rel_entr

    found: Floats = rel_entr(first, second).sum(axis=-1)
    return found


def jensen_shannon_divergence(first: Floats, second: Floats) -> Floats:
    """Half of KL(P_a, M) + KL(P_d, M), M being the mean of both, in nats: from 0 to log 2.

    Source: J. Lin, Divergence measures based on the Shannon entropy, IEEE Transactions on
    Information Theory 37 (1991) 145-151; Das et al. 2021, JS. (scipy's `jensenshannon` is its
    square root.)
    """
    middle = (first + second) / 2
    found: Floats = (kl_divergence(first, middle) + kl_divergence(second, middle)) / 2
    return found


def total_variation_distance(first: Floats, second: Floats) -> Floats:
    """Half of the sum over labels of |P_a(y) - P_d(y)|: the share of rows whose label would have
    to change for both groups to have the same labels. Das et al. 2021, TVD."""
    found: Floats = np.abs(first - second).sum(axis=-1) / 2
    return found


DIVERGENCES = {
    "jensen_shannon_divergence": jensen_shannon_divergence,
    "kl_divergence": kl_divergence,
    "total_variation_distance": total_variation_distance,
}


def divergences(
    measures: Sequence[str],
    names: Sequence[str],
    counts: Counts,
    *,
    confidence: float,
    num_replicates: int,
    seed: int,
) -> list[Gap]:
    """How far the label distributions of the two groups that differ most lie from each other.

    The two groups are those of the largest Jensen-Shannon divergence; a is the one of them with
    the higher share of the last label (the positive one of a binary task). Intervals are from a
    multinomial bootstrap of both groups' counts.

    A divergence of sampled labels lies above the true one, by about (K - 1)(1/n_a + 1/n_d)/2 for
    KL with K labels (L. Paninski, Estimation of entropy and mutual information, Neural Computation
    15 (2003) 1191-1253), a resampled one by as much again, and 0 is a boundary: where both groups
    have the same labels, percentiles nearly always miss 0. So the lower bound is the percentile
    only where Pearson's chi-square, at the same level, shows that the labels differ, and 0 where it
    does not. `docs/decisions/0023` has the coverage of this and of what was tried beside it. The
    value is not corrected.

    Args:
        measures: Keys of DIVERGENCES.
        names: The groups, length g.
        counts: Rows by group and label, shape (g, K).
    """
    shares = counts / counts.sum(axis=1, keepdims=True)
    first, second = np.triu_indices(len(names), k=1)
    farthest = int(np.argmax(jensen_shannon_divergence(shares[first], shares[second])))
    a, d = int(first[farthest]), int(second[farthest])
    if shares[d, -1] > shares[a, -1]:
        a, d = d, a
    rng = np.random.default_rng(seed)
    sizes = counts.sum(axis=1)
    drawn_a = rng.multinomial(sizes[a], shares[a], num_replicates) / sizes[a]
    drawn_d = rng.multinomial(sizes[d], shares[d], num_replicates) / sizes[d]
    level = widened(confidence, num_pairs(len(names)))
    differ = _homogeneity_p(counts[[a, d]]) <= 1 - level
    found = []
    for measure in measures:
        function = DIVERGENCES[measure]
        value, drawn = float(function(shares[a], shares[d])), function(drawn_a, drawn_d)
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(drawn, ends, method="inverted_cdf")  # infinite ones stand last
        low = min(float(low), value) if differ else 0.0
        found.append(Gap(measure, value, low, max(float(high), value), names[a], names[d]))
    return found


def _homogeneity_p(counts: Counts) -> float:
    """Pearson's chi-square test that two groups have the same labels, from shape (2, K)."""
    from scipy.stats import chi2_contingency

    seen = counts[:, counts.sum(axis=0) > 0]
    return float(chi2_contingency(seen, correction=False).pvalue)
