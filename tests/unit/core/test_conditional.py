"""Differences among like rows: Simpson's paradox is shown, and said only where it is no chance."""

import numpy as np
import pytest

from pipeline.core.conditional import (
    conditional_demographic_disparity,
    conditional_differences,
    demographic_disparity,
    disparities,
    sentence,
    stratified_difference,
)

# Two strata × two groups (m, f) × (no, yes): f is ahead by 0.1 in both, m by far on the whole.
PARADOX = np.array([[[20, 80], [1, 9]], [[8, 2], [70, 30]]])


def test_the_paradox_is_shown_where_there_are_rows_enough_and_possible_where_not() -> None:
    (few,) = conditional_differences(["m", "f"], PARADOX, 0.95)
    (many,) = conditional_differences(["m", "f"], 20 * PARADOX, 0.95)
    assert few["marginal"]["value"] == pytest.approx(82 / 110 - 39 / 110, abs=1e-6)
    assert few["stratified"]["value"] == many["stratified"]["value"] == pytest.approx(-0.1)
    assert (few["reversal"], many["reversal"]) == ("possible", "shown")
    assert "or that may be chance" in sentence(few, "post")
    assert "Simpson's paradox" in sentence(many, "post")


def test_no_paradox_is_told_where_the_directions_agree() -> None:
    same = np.array([[[50, 50], [60, 40]], [[30, 70], [40, 60]]])
    (found,) = conditional_differences(["m", "f"], same, 0.95)
    assert found["reversal"] == "none"
    assert sentence(found, "post").endswith("; among rows alike in post, 10.0 points more often.")
    (found,) = conditional_differences(["m", "f"], same // 5, 0.95)
    assert sentence(found, "post").endswith("10.0 points more often, which may be chance.")


def test_a_difference_that_may_be_chance_does_not_turn_round() -> None:
    counts = np.array([[[2, 8], [0, 2]], [[3, 1], [6, 4]]])  # 9 of 14 and 6 of 12; f ahead in both
    (found,) = conditional_differences(["m", "f"], counts, 0.95)
    assert found["stratified"]["value"] < 0
    assert found["marginal"]["low"] < 0 < found["marginal"]["value"]
    assert found["reversal"] == "none"


def test_one_stratum_of_equal_groups_has_the_plain_variance() -> None:
    """With n rows each, Sato's variance is (p(1 - p) + q(1 - q)) / n."""
    found = stratified_difference(np.array([[40, 60]]), np.array([[70, 30]]), 0.95)
    assert found is not None
    half = 1.959964 * ((0.6 * 0.4 + 0.3 * 0.7) / 100) ** 0.5
    assert found == pytest.approx((0.3, 0.3 - half, 0.3 + half, 1.0), abs=1e-6)


def test_strata_without_a_counterpart_weigh_nothing_and_are_said() -> None:
    first, second = np.array([[5, 5], [10, 0]]), np.array([[8, 2], [0, 0]])
    found = stratified_difference(first, second, 0.95)
    assert found is not None
    assert (found[0], found[3]) == (pytest.approx(0.3), pytest.approx(20 / 30))
    assert stratified_difference(first[1:], second[1:], 0.95) is None


def test_many_strata_of_three_rows_keep_the_confidence() -> None:
    """200 strata of one row against two, base rates from 0.1 to 0.7, true difference 0.2."""
    rng = np.random.default_rng(0)
    base = rng.uniform(0.1, 0.7, 200)
    held = 0
    for _ in range(1000):
        y_a, y_b = rng.binomial(1, base + 0.2), rng.binomial(2, base)
        found = stratified_difference(
            np.column_stack([1 - y_a, y_a]), np.column_stack([2 - y_b, y_b]), 0.95
        )
        assert found is not None
        held += found[1] <= 0.2 <= found[2]
    assert 0.93 < held / 1000 < 0.97


def test_disparities_by_hand() -> None:
    """f: 71 of 99 rejections and 39 of 121 acceptances. Within: 1/21 - 9/89 and 70/78 - 30/32, both
    strata having half of the rows."""
    counts = PARADOX.astype(float)
    assert demographic_disparity(counts.sum(axis=0))[1] == pytest.approx(71 / 99 - 39 / 121)
    within = ((1 / 21 - 9 / 89) + (70 / 78 - 30 / 32)) / 2
    assert conditional_demographic_disparity(counts)[1] == pytest.approx(within)
    (found,) = disparities(["m", "f"], PARADOX, [1], confidence=0.95, num_replicates=2000, seed=0)
    assert found["group"] == "f"
    for key in ("marginal", "conditional"):
        assert found[key]["low"] < found[key]["value"] < found[key]["high"]
    assert found["marginal"]["low"] > 0 > found["conditional"]["value"]


def test_a_stratum_with_one_label_counts_as_no_disparity() -> None:
    counts = np.array([[[5, 0], [9, 0]], [[1, 3], [3, 1]]], dtype=float)
    assert conditional_demographic_disparity(counts)[1] == pytest.approx(0.5 * 8 / 22)
