"""Measures of labels by group: values against scipy, intervals against published ones and draws."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from pipeline.audit.data_bias import (
    class_imbalance,
    divergences,
    jensen_shannon_divergence,
    kl_divergence,
    mean_difference,
    newcombe,
    rate_difference,
    total_variation_distance,
)
from pipeline.core.statistics.intervals import wilson

HOW = {"confidence": 0.95, "num_replicates": 4000, "seed": 0}


@pytest.mark.parametrize(
    ("hits", "total", "other_hits", "other_total", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_intervals_of_differences_are_the_published_ones(
    hits: int, total: int, other_hits: int, other_total: int, low: float, high: float
) -> None:
    arrays = (np.array([one]) for one in (hits, total, other_hits, other_total))
    found = newcombe(*arrays, 0.95)
    assert (found[0][0], found[1][0]) == (
        pytest.approx(low, abs=5e-5),
        pytest.approx(high, abs=5e-5),
    )


def test_divergences_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(4), 50), rng.dirichlet(np.ones(4), 50)
    assert kl_divergence(p, q) == pytest.approx(entropy(p, q, axis=1))
    assert jensen_shannon_divergence(p, q) == pytest.approx(jensenshannon(p, q, axis=1) ** 2)
    assert total_variation_distance(p, q) == pytest.approx(np.abs(p - q).sum(axis=1) / 2)


def test_the_largest_of_three_groups_is_named_and_its_interval_widened() -> None:
    hits, totals = np.array([30, 50, 40]), np.array([100, 100, 100])
    gap = rate_difference("label_rate_difference", ["a", "b", "c"], hits, totals, 0.95)
    assert (gap.highest, gap.lowest, gap.value) == ("b", "a", pytest.approx(0.2))
    low, _ = newcombe(np.array([50]), np.array([100]), np.array([30]), np.array([100]), 0.95)
    wide, _ = newcombe(
        np.array([50]), np.array([100]), np.array([30]), np.array([100]), 1 - 0.05 / 3
    )
    assert gap.low == pytest.approx(wide[0])
    assert wide[0] < low[0]


def test_imbalance_stretches_wilson() -> None:
    gap = class_imbalance(["a", "b"], np.array([10, 30]), 0.95)
    low, high = wilson(np.array([30.0]), np.array([40.0]), 0.95)
    assert (gap.value, gap.highest, gap.lowest) == (0.5, "b", "a")
    assert (gap.low, gap.high) == (pytest.approx(2 * low[0] - 1), pytest.approx(2 * high[0] - 1))


def test_equal_groups_are_still_two() -> None:
    gap = mean_difference(["a", "b"], np.ones(2), np.ones(2), np.array([9, 9]), 0.95)
    assert (gap.value, gap.highest, gap.lowest) == (0.0, "a", "b")


def test_a_label_that_one_group_lacks_has_no_bound_and_no_value() -> None:
    counts = np.array([[5, 5], [10, 0]])
    js, kl = divergences(["jensen_shannon_divergence", "kl_divergence"], ["a", "b"], counts, **HOW)
    assert (kl.highest, kl.as_dict()["value"], kl.as_dict()["high"]) == ("a", None, None)
    assert js.value == pytest.approx(jensenshannon([0.5, 0.5], [1, 0]) ** 2)


@pytest.mark.parametrize(
    ("sizes", "rates"),
    [
        ((400, 400), (0.3, 0.3)),
        ((2000, 200), (0.3, 0.3)),
        ((400, 400), (0.3, 0.4)),
        ((400, 400), (0.05, 0.3)),
    ],
)
def test_intervals_of_divergences_hold_what_they_promise(
    sizes: tuple[int, int], rates: tuple[float, float]
) -> None:
    """400 tables of two groups; 95 % asked for, and 3.3 points (three errors) of simulation."""
    rng = np.random.default_rng(3)
    true = np.array([[1 - rate, rate] for rate in rates])
    wanted = jensen_shannon_divergence(true[1], true[0])
    held = 0
    for table in range(400):
        counts = np.stack(
            [rng.multinomial(size, row) for size, row in zip(sizes, true, strict=True)]
        )
        (gap,) = divergences(
            ["jensen_shannon_divergence"],
            ["a", "b"],
            counts,
            confidence=0.95,
            num_replicates=1000,
            seed=table,
        )
        assert gap.low is not None
        assert gap.high is not None
        held += gap.low <= wanted <= gap.high
    assert held / 400 > 0.95 - 0.033


def test_labels_that_may_be_the_same_have_a_lower_bound_of_zero() -> None:
    """Pearson's chi-square of (50, 50) and (60, 40) is 2.02, below 3.84; of (70, 30), 8.33."""
    measure = ["jensen_shannon_divergence"]
    (same,) = divergences(measure, ["a", "b"], np.array([[50, 50], [60, 40]]), **HOW)
    (other,) = divergences(measure, ["a", "b"], np.array([[50, 50], [70, 30]]), **HOW)
    assert same.low == 0
    assert other.low is not None
    assert other.low > 0
