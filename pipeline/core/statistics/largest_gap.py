"""Bounds of the largest gap between groups: of rates (difference and ratio), and of means.

The largest of several gaps is not a smooth statistic: its plug-in value is biased upwards, most
where all groups are alike, and a percentile bootstrap carries that bias into its bounds. These
bounds are made of bounds for pairs of groups instead (docs/decisions/0003):

- the *worse* end (the high one of a difference) is the worst of the pairs' one-sided bounds, each
  at the full confidence. It can only err if it errs on the pair that truly has the largest gap,
  so it errs no more often than one pair's bound, however many pairs there are (a
  union-intersection test);
- the *better* end is the worst of the pairs' one-sided bounds at a confidence that is corrected
  for all pairs in both directions and all rates (Bonferroni), since any pair may err there.

A pair's bound combines the two rates' exact limits (MOVER). Sources: G. Y. Zou, A. Donner,
Construction of confidence limits about effect measures: a general approach, Stat. Med. 27 (2008)
1693-1702; C. J. Clopper, E. S. Pearson, The use of confidence or fiducial limits illustrated in
the case of the binomial, Biometrika 26 (1934) 404-413. Of means: B. L. Welch, The generalization
of Student's problem when several different population variances are involved, Biometrika 34
(1947) 28-35.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.core.statistics.intervals import Floats, Interval

POWER = 0.8
"""With which probability a gap of the size `detectable_gap` would be shown."""
NUM_HALVINGS = 40


@dataclass(frozen=True)
class Rates:
    """Success counts of several rates in several groups: `successes` of `totals`.

    Both are of shape (..., rates, groups); leading axes are data sets of their own.
    """

    successes: Floats
    totals: Floats

    @property
    def shares(self) -> Floats:
        """The observed rates; 0 where there is nobody of whom one could be taken."""
        return self.successes / np.maximum(self.totals, 1)

    def pooled(self) -> "Rates":
        """As many rows, each group with the rate of all of them together."""
        totals = self.totals.sum(axis=-1, keepdims=True)
        share = self.successes.sum(axis=-1, keepdims=True) / np.maximum(totals, 1)
        return Rates(share * self.totals, self.totals)


def exact_limits(rates: Rates, error: float) -> tuple[Floats, Floats]:
    """Clopper and Pearson's limits of each rate; each of both errs with at most this probability.

    Counts need not be whole. Without rows: 0 and 1.
    """
    from scipy.special import betaincinv

    hits, misses = rates.successes, rates.totals - rates.successes
    low = betaincinv(np.maximum(hits, 1e-9), misses + 1, error)
    high = betaincinv(hits + 1, np.maximum(misses, 1e-9), 1 - error)
    return np.where(hits > 0, low, 0.0), np.where(misses > 0, high, 1.0)


Limits = Callable[[Rates, float], tuple[Floats, Floats]]


def pairs_lower(
    rates: Rates,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    error: float,
    ratio: bool,
    limits: Limits = exact_limits,
) -> Floats:
    """Lower bounds of (rate of `first`) minus, or over, (rate of `second`), shape (..., rates, p).

    An upper bound is the lower one of the pair turned round: negative, or its inverse. Where one
    of both groups has no rows: -1, or 0.
    """
    low, high = limits(rates, error)
    shares = rates.shares
    one, one_low = shares[..., first], low[..., first]
    other, other_high = shares[..., second], high[..., second]
    unknown = (rates.totals[..., first] == 0) | (rates.totals[..., second] == 0)
    if not ratio:
        distance = np.hypot(one - one_low, other_high - other)
        return np.where(unknown, -1.0, one - other - distance)
    known = (one_low > 0) & (other > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.hypot(np.log(one / one_low), np.log(other_high / other))
        bound = np.where(known, one / other * np.exp(-distance), one_low / other_high)
    return np.where(unknown, 0.0, bound)


def largest(rates: Rates, ratio: bool) -> Floats:
    """The largest difference, or the smallest ratio, as observed, shape (...).

    Groups without rows for a rate take no part in it. Two rates of 0 are alike.
    """
    known = rates.totals > 0
    high = np.where(known, rates.shares, 0.0).max(axis=-1)
    low = np.minimum(np.where(known, rates.shares, 1.0).min(axis=-1), high)
    if not ratio:
        found: Floats = (high - low).max(axis=-1)
        return found
    alike: Floats = np.divide(low, high, out=np.ones_like(low), where=high > 0)
    smallest: Floats = alike.min(axis=-1)
    return smallest


def gap_bounds(
    rates: Rates, *, confidence: float, ratio: bool, limits: Limits = exact_limits
) -> tuple[Floats, Floats, Floats]:
    """Value, low and high of the largest difference (or smallest ratio), each of shape (...).

    See `max_gap`, which is this for one data set. `limits` are those of one rate, for comparison.
    """
    num_rates, num_groups = rates.totals.shape[-2:]
    first, second = np.nonzero(~np.eye(num_groups, dtype=bool))
    value = largest(rates, ratio)
    if len(first) == 0:
        return value, value, value
    corrected = (1 - confidence) / (num_rates * len(first))
    each = pairs_lower(rates, first, second, 1 - confidence, ratio, limits)
    together = pairs_lower(rates, first, second, corrected, ratio, limits).max(axis=(-2, -1))
    if ratio:
        worse = np.clip(each.min(axis=(-2, -1)), 0.0, 1.0)
        return value, worse, 1 / np.maximum(together, 1.0)
    worse = np.clip(-each.min(axis=(-2, -1)), 0.0, 1.0)
    return value, np.maximum(together, 0.0), worse


def max_gap(rates: Rates, *, confidence: float, ratio: bool = False) -> Interval:
    """The largest difference (or, with `ratio`, the smallest ratio) between groups, with bounds.

    Returns:
        For a difference, value and bounds in [0, 1], larger is worse; for a ratio, value and
        bounds in [0, 1], smaller is worse. One group alone gives no gap: 0 (ratio: 1), exactly.
        A group without rows for a rate leaves the gap open: its worse bound is the worst one.
    """
    value, low, high = gap_bounds(rates, confidence=confidence, ratio=ratio)
    return Interval(float(value), float(low), float(high))


def detectable_gap(rates: Rates, *, confidence: float, ratio: bool = False) -> float | None:
    """The smallest true difference (largest ratio) that these rows would show, whichever two
    groups it lies between, with a probability of 80 %: its better bound excludes "no gap".

    It is worked out for the two groups with the fewest rows, around the rate of all rows, with
    data as unlucky as the power allows (the observed gap smaller by 0.84 standard errors).
    None if no gap at all would be shown.
    """
    num_rates, num_groups = rates.totals.shape
    totals = np.sort(rates.totals, axis=-1)[:, :2]
    if num_groups < 2 or (totals == 0).any():
        return None
    error = (1 - confidence) / (num_rates * num_groups * (num_groups - 1))
    pooled = rates.pooled().shares[:, 0]
    both = np.stack([totals, totals[:, ::-1]])  # the smaller group has the higher rate, or lower
    found = [_shown_from(pooled, sizes, error, ratio) for sizes in both]
    worst = min if ratio else max
    return None if None in found else worst(one for one in found if one is not None)


def _shown_from(pooled: Floats, totals: Floats, error: float, ratio: bool) -> float | None:
    """From which gap on the bound of a pair excludes "no gap"; `totals` of shape (rates, 2), the
    first group with the higher rate."""
    unlucky = NormalDist().inv_cdf(POWER)

    def planned(gap: Floats) -> Floats:
        """Rates with this gap, shape (rates, 2)."""
        high = np.clip(pooled + gap * totals[:, 1] / totals.sum(axis=-1), gap, 1.0)
        return np.stack([high, high - gap], axis=-1)

    def shown(gap: Floats) -> NDArray[np.bool_]:
        true = planned(gap)
        variances = true * (1 - true) / totals
        deviation = np.sqrt(np.maximum(variances.sum(axis=-1, keepdims=True), 1e-12))
        moved = true + np.array([-1, 1]) * unlucky * variances / deviation
        seen = Rates(np.clip(moved, 0, 1) * totals, totals)
        bound = pairs_lower(seen, np.array([0]), np.array([1]), error, ratio)[:, 0]
        return bound > (1.0 if ratio else 0.0)

    low, high = np.zeros(len(pooled)), np.ones(len(pooled))
    if not shown(high).all():
        return None
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        enough = shown(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    true = planned(high)
    return float((true[:, 1] / true[:, 0]).min() if ratio else high.max())


@dataclass(frozen=True)
class Means:
    """Number of rows, sum of a quantity, and sum of its squared distances from the mean, in each
    group; each of shape (g,)."""

    num: Floats
    sums: Floats
    squares: Floats

    @property
    def values(self) -> Floats:
        return self.sums / np.maximum(self.num, 1)

    @property
    def variances(self) -> Floats:
        """Of the quantity; a group with one row has that of all groups together."""
        together = self.squares.sum() / max(self.num.sum() - len(self.num), 1)
        return np.where(self.num > 1, self.squares / np.maximum(self.num - 1, 1), together)

    def errors(self) -> Floats:
        """Variances of the means."""
        return self.variances / np.maximum(self.num, 1)


def mean_bounds(means: Means, confidence: float) -> tuple[Floats, Floats]:
    """Student's two one-sided limits of each group's mean."""
    from scipy.special import stdtrit

    half = stdtrit(np.maximum(means.num - 1, 1), confidence) * np.sqrt(means.errors())
    return means.values - half, means.values + half


def _pairs_half(means: Means, error: float) -> Floats:
    """How far a pair's one-sided bound lies from its difference (Welch), shape (g, g)."""
    from scipy.special import stdtrit

    own = means.errors()
    both = own[:, None] + own
    freedom = own**2 / np.maximum(means.num - 1, 1)
    spread = freedom[:, None] + freedom
    degrees = np.divide(both**2, spread, out=np.ones_like(both), where=spread > 0)
    half: Floats = stdtrit(np.maximum(degrees, 1), 1 - error) * np.sqrt(both)
    return half


def max_mean_gap(means: Means, *, confidence: float, alike: bool = False) -> Interval:
    """The largest difference between groups' means, with one-sided bounds made as for rates.

    `alike` puts all means at one value and leaves the rest: the high bound is the noise floor.
    """
    num_groups = len(means.num)
    if num_groups < 2:
        return Interval(0.0, 0.0, 0.0)
    values = np.zeros(num_groups) if alike else means.values
    gaps = np.abs(values[:, None] - values)
    pairs = ~np.eye(num_groups, dtype=bool)
    error = 1 - confidence
    each = _pairs_half(means, error)[pairs]
    together = _pairs_half(means, error / pairs.sum())[pairs]
    found = gaps[pairs]
    return Interval(
        float(found.max()),
        max(float((found - together).max()), 0.0),
        float((found + each).max()),
    )


def detectable_mean_gap(means: Means, *, confidence: float) -> float:
    """The smallest true difference that these rows would show, whichever two groups it lies
    between, with a probability of 80 %; see `detectable_gap`."""
    pairs = ~np.eye(len(means.num), dtype=bool)
    own = means.errors()
    deviation = np.sqrt(own[:, None] + own)
    half = _pairs_half(means, (1 - confidence) / pairs.sum())
    return float((half + NormalDist().inv_cdf(POWER) * deviation)[pairs].max())
