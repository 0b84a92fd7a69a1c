"""The bounds that gates decide on: against other implementations, and by simulation."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.core.statistics.intervals import Interval, bootstrap, resampled_counts, wilson


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


def test_resampling_counts_is_resampling_rows() -> None:
    # 10, 30 and 60 rows: each cell is binomial, two cells vary against each other.
    counts = np.array([[10, 30], [60, 0]])
    drawn = resampled_counts(counts, 20_000, seed=3)
    assert drawn.shape == (20_000, 2, 2)
    assert (drawn.sum(axis=(1, 2)) == 100).all()
    assert drawn.mean(axis=0) == pytest.approx(counts, abs=0.2)
    assert drawn[:, 0, 1].std() == pytest.approx(np.sqrt(100 * 0.3 * 0.7), rel=0.03)
    covariance = np.cov(drawn[:, 0, 1], drawn[:, 1, 0])[0, 1]
    assert covariance == pytest.approx(-100 * 0.3 * 0.6, rel=0.05)
