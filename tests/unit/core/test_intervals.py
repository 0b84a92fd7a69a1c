"""The bounds that gates decide on: against other implementations, and by simulation."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.core.intervals import Interval, Rates, bootstrap, max_gap, wilson

HOW: dict[str, Any] = {"confidence": 0.95, "num_replicates": 400, "seed": 0}


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (10, 10), (3, 7), (500, 1000), (1, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_equals_scipys(hits: int, total: int, confidence: float) -> None:
    low, high = wilson(np.array([hits]), np.array([total]), confidence)
    known = binomtest(hits, total).proportion_ci(confidence, method="wilson")
    assert (low[0], high[0]) == pytest.approx((known.low, known.high), abs=1e-12)


def test_wilson_of_nothing_says_nothing() -> None:
    low, high = wilson(np.array([0, 1]), np.array([0, 2]))
    assert (low[0], high[0]) == (0, 1)
    assert 0 < low[1] < high[1] < 1


def test_an_interval_is_written_with_six_digits() -> None:
    assert Interval(1 / 3, 0.1, 0.99999999).as_dict() == {"value": 0.333333, "low": 0.1, "high": 1}


def test_bootstrap_of_a_mean_is_near_the_normal_approximation() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)

    def mean(weights: Any) -> dict[str, float]:
        return {"mean": float((weights * values).sum() / weights.sum())}

    found = bootstrap(mean, 400, confidence=0.95, num_replicates=3000, seed=0)["mean"]
    error = values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.6449 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.6449 * error, abs=0.1 * error)


def test_bootstrap_depends_on_its_seed_alone() -> None:
    def first(weights: Any) -> dict[str, float]:
        return {"first": float(weights[0])}

    def once(seed: int) -> Interval:
        return bootstrap(first, 9, confidence=0.9, num_replicates=100, seed=seed)["first"]

    assert once(0) == once(0)
    assert once(0).value == 1


def gap(hits: Any, totals: Any, **changes: Any) -> Interval:
    rates = Rates(np.atleast_2d(np.array(hits, float)), np.atleast_2d(np.array(totals, float)))
    return max_gap(rates, **(HOW | changes))


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
    one = gap([200, 350], [1000, 1000], ratio=ratio, num_replicates=20_000)
    other = gap([350, 200], [1000, 1000], ratio=ratio, num_replicates=20_000)
    assert one.value == pytest.approx(other.value)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.003)


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


@pytest.mark.parametrize("rates", [(0.2, 0.3), (0.2, 0.3, 0.25, 0.25)], ids=["two", "four"])
@pytest.mark.parametrize("ratio", [False, True])
def test_bounds_err_at_most_as_often_as_they_say(rates: tuple[float, ...], ratio: bool) -> None:
    # 400 data sets with a true gap of 0.1 (ratio 2/3). At 5 % a bound errs 20 times, with a
    # standard deviation of 4.4: 33 is three of them above.
    rng = np.random.default_rng(11)
    truth = min(rates) / max(rates) if ratio else max(rates) - min(rates)
    totals = np.full(len(rates), 400)
    found = [
        gap(rng.binomial(totals, rates), totals, ratio=ratio, num_replicates=200)
        for _ in range(400)
    ]
    assert sum(one.high < truth for one in found) <= 33
    assert sum(one.low > truth for one in found) <= 33


def test_bounds_are_not_needlessly_wide() -> None:
    # Two groups of 400: the standard error of the difference of 0.2 and 0.3 is 0.0305; the
    # bound may lie up to two of them away (simultaneous, two-sided), not more.
    found = gap([80, 120], [400, 400], num_replicates=4000)
    assert 0.1 + 1.6 * 0.0305 < found.high < 0.1 + 2.1 * 0.0305
