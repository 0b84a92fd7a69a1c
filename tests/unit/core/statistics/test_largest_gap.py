"""Bounds of a largest gap: worked by hand, against scipy, and what rows can show.

How often they err is held by `test_gap_coverage.py`.
"""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp, ttest_ind

from pipeline.core.statistics.intervals import Interval
from pipeline.core.statistics.largest_gap import (
    Means,
    Rates,
    detectable_gap,
    detectable_mean_gap,
    exact_limits,
    gap_bounds,
    max_gap,
    max_mean_gap,
    mean_bounds,
)


def gap(hits: Any, totals: Any, **changes: Any) -> Interval:
    rates = Rates(np.atleast_2d(np.array(hits, float)), np.atleast_2d(np.array(totals, float)))
    return max_gap(rates, **({"confidence": 0.95} | changes))


def test_value_is_the_plain_difference_and_ratio() -> None:
    # Rates 0.2, 0.5 and 0.3.
    assert gap([20, 100, 30], [100, 200, 100]).value == pytest.approx(0.3)
    assert gap([20, 100, 30], [100, 200, 100], ratio=True).value == pytest.approx(0.4)


def test_value_is_the_worst_of_several_rates() -> None:
    hits, totals = [[50, 60], [10, 40]], [[100, 100], [100, 100]]
    assert gap(hits, totals).value == pytest.approx(0.3)
    assert gap(hits, totals, ratio=True).value == pytest.approx(0.25)


@pytest.mark.parametrize("ratio", [False, True])
def test_order_of_groups_does_not_matter(ratio: bool) -> None:
    one = gap([200, 350], [1000, 1000], ratio=ratio)
    other = gap([350, 200], [1000, 1000], ratio=ratio)
    assert one.value == pytest.approx(other.value)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


@pytest.mark.parametrize("ratio", [False, True])
@pytest.mark.parametrize(
    ("hits", "totals"),
    [([0, 30], [50, 50]), ([50, 50], [50, 50]), ([0, 0], [50, 50]), ([0, 50], [50, 50])],
)
def test_bounds_enclose_the_value_also_for_empty_and_full_cells(
    hits: list[int], totals: list[int], ratio: bool
) -> None:
    found = gap(hits, totals, ratio=ratio)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@pytest.mark.parametrize(("ratio", "least_known"), [(False, "high"), (True, "low")])
def test_a_rate_without_rows_proves_nothing(ratio: bool, least_known: str) -> None:
    # The second group has nobody of whom the rate could be taken: the gap may be anything.
    found = gap([80, 0], [100, 0], ratio=ratio)
    assert getattr(found, least_known) == (0 if ratio else 1)


def test_one_group_has_no_gap() -> None:
    assert gap([3], [10]) == Interval(0, 0, 0)
    assert gap([3], [10], ratio=True) == Interval(1, 1, 1)


def test_more_rows_tighten_the_bounds() -> None:
    few, many = gap([20, 30], [100, 100]), gap([2000, 3000], [10_000, 10_000])
    assert few.low < many.low < 0.1 < many.high < few.high


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (10, 10), (3, 7), (500, 1000), (1, 1)])
def test_limits_of_a_rate_are_scipys_exact_ones(hits: int, total: int) -> None:
    low, high = exact_limits(Rates(np.array([[hits]]), np.array([[total]])), 0.05)
    known = binomtest(hits, total).proportion_ci(0.9, method="exact")
    assert (low[0, 0], high[0, 0]) == pytest.approx((known.low, known.high), abs=1e-12)


def test_bounds_of_two_groups_are_worked_by_hand() -> None:
    # 20 of 100 and 50 of 100. The high bound combines exact 95 % limits, the low one, of two
    # directions, 97.5 % limits: 0.3 + sqrt((u - 0.5)² + (0.2 - l)²), and the like below.
    found = gap([20, 50], [100, 100])
    one = {level: binomtest(20, 100).proportion_ci(level, "exact") for level in (0.9, 0.95)}
    two = {level: binomtest(50, 100).proportion_ci(level, "exact") for level in (0.9, 0.95)}
    above = np.hypot(two[0.9].high - 0.5, 0.2 - one[0.9].low)
    below = np.hypot(0.5 - two[0.95].low, one[0.95].high - 0.2)
    assert (found.low, found.high) == pytest.approx((0.3 - below, 0.3 + above), abs=1e-9)
    ratio = gap([20, 50], [100, 100], ratio=True)
    above = np.hypot(np.log(one[0.95].high / 0.2), np.log(0.5 / two[0.95].low))
    below = np.hypot(np.log(0.2 / one[0.9].low), np.log(two[0.9].high / 0.5))
    known = (0.4 * np.exp(-below), 0.4 * np.exp(above))
    assert (ratio.low, ratio.high) == pytest.approx(known, abs=1e-9)


def test_more_groups_widen_the_better_bound_alone() -> None:
    two, four = gap([200, 300], [1000, 1000]), gap([200, 250, 250, 300], [1000] * 4)
    assert four.high == pytest.approx(two.high)
    assert four.low < two.low


@pytest.mark.parametrize("num_groups", [2, 5])
@pytest.mark.parametrize("ratio", [False, True])
def test_a_detectable_gap_is_shown_four_times_in_five(num_groups: int, ratio: bool) -> None:
    rng = np.random.default_rng(5)
    totals = np.full((1, num_groups), 400.0)
    alike = Rates(0.3 * totals, totals)
    size = detectable_gap(alike, confidence=0.95, ratio=ratio)
    assert size is not None
    shares = np.full(num_groups, 0.3)
    # Half of the gap above the common rate and half below, as sizes are equal.
    half = 0.3 * (1 - size) / (1 + size) if ratio else size / 2
    shares[:2] += (half, -half)
    drawn = Rates(rng.binomial(400, shares, (4000, 1, num_groups)).astype(float), totals)
    _, low, high = gap_bounds(drawn, confidence=0.95, ratio=ratio)
    shown = float(np.mean(high < 1 if ratio else low > 0))
    assert shown == pytest.approx(0.8, abs=0.04)


def test_nothing_is_detectable_with_a_handful_of_rows() -> None:
    few = Rates(np.array([[1.0, 1.0]]), np.array([[2.0, 2.0]]))
    assert detectable_gap(few, confidence=0.95) is None
    none = Rates(np.array([[1.0, 0.0]]), np.array([[20.0, 0.0]]))
    assert detectable_gap(none, confidence=0.95) is None


def means_of(*groups: Any) -> Means:
    return Means(
        np.array([len(one) for one in groups], float),
        np.array([np.sum(one) for one in groups], float),
        np.array([np.var(one) * len(one) for one in groups], float),
    )


def test_bounds_of_means_are_welchs() -> None:
    rng = np.random.default_rng(2)
    one, two = rng.normal(1, 1, 40), rng.normal(3, 2, 60)
    found = max_mean_gap(means_of(one, two), confidence=0.95)
    assert found.value == pytest.approx(two.mean() - one.mean())
    upper = ttest_ind(two, one, equal_var=False, alternative="less").confidence_interval(0.95)
    lower = ttest_ind(two, one, equal_var=False, alternative="greater").confidence_interval(0.975)
    assert (found.low, found.high) == pytest.approx((lower.low, upper.high))
    low, high = mean_bounds(means_of(one, two), 0.95)
    known = ttest_1samp(one, 0).confidence_interval(0.9)
    assert (low[0], high[0]) == pytest.approx((known.low, known.high))


def test_a_group_of_one_row_has_the_variance_of_all() -> None:
    found = max_mean_gap(means_of([1.0], [1.0, 2.0, 3.0]), confidence=0.95)
    assert found.value == pytest.approx(1)
    assert np.isfinite(found.high)


def test_a_detectable_gap_of_means_is_shown_four_times_in_five() -> None:
    rng = np.random.default_rng(9)
    size = detectable_mean_gap(
        means_of(rng.normal(0, 1, 200), rng.normal(0, 1, 200)), confidence=0.95
    )
    shown = [
        max_mean_gap(means_of(rng.normal(0, 1, 200), rng.normal(size, 1, 200)), confidence=0.95).low
        > 0
        for _ in range(600)
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)


def test_bounds_are_not_needlessly_wide() -> None:
    # Two groups of 400: the standard error of the difference of 0.2 and 0.3 is 0.0305.
    found = gap([80, 120], [400, 400])
    assert 0.1 + 1.6 * 0.0305 < found.high < 0.1 + 1.8 * 0.0305
    assert 0.1 - 2.2 * 0.0305 < found.low < 0.1 - 1.9 * 0.0305
