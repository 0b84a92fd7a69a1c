"""Differences among like rows: Simpson's paradox is shown, and said only where it is no chance."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.audit.conditional import (
    conditional_demographic_disparity,
    conditional_differences,
    demographic_disparity,
    disparities,
    sentence,
)

# Two strata × two groups (m, f) × (no, yes): f is ahead by 0.1 in both, m by far on the whole.
PARADOX = np.array([[[20, 80], [1, 9]], [[8, 2], [70, 30]]])


def pairs(names: list[str], counts: NDArray[np.int64]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = conditional_differences(names, counts, 0.95)["pairs"]
    return listed


def test_the_paradox_is_shown_where_there_are_rows_enough_and_possible_where_not() -> None:
    (few,) = pairs(["m", "f"], PARADOX)
    (many,) = pairs(["m", "f"], 20 * PARADOX)
    assert few["marginal"]["value"] == pytest.approx(82 / 110 - 39 / 110, abs=1e-6)
    assert few["stratified"]["value"] == many["stratified"]["value"] == pytest.approx(-0.1)
    assert (few["reversal"], many["reversal"]) == ("possible", "shown")
    assert "or that may be chance" in sentence(few, "post")
    assert "Simpson's paradox" in sentence(many, "post")


def test_no_paradox_is_told_where_the_directions_agree() -> None:
    same = np.array([[[50, 50], [60, 40]], [[30, 70], [40, 60]]])
    (found,) = pairs(["m", "f"], same)
    assert found["reversal"] == "none"
    assert sentence(found, "post").endswith("; among rows alike in post, 10.0 points more often.")
    (found,) = pairs(["m", "f"], same // 5)
    assert sentence(found, "post").endswith("10.0 points more often, which may be chance.")


def test_a_difference_that_may_be_chance_does_not_turn_round() -> None:
    counts = np.array([[[2, 8], [0, 2]], [[3, 1], [6, 4]]])  # 9 of 14 and 6 of 12; f ahead in both
    (found,) = pairs(["m", "f"], counts)
    assert found["stratified"]["value"] < 0
    assert found["marginal"]["low"] < 0 < found["marginal"]["value"]
    assert found["reversal"] == "none"


def test_pairs_that_never_meet_are_not_counted_and_the_share_compared_is_said() -> None:
    """a and b meet in the first stratum, a and c in the second, b and c nowhere; c, at 3 of 6, is
    ahead of a, at 5 of 20."""
    counts = np.array([[[5, 5], [8, 2], [0, 0]], [[10, 0], [0, 0], [3, 3]]])
    found = conditional_differences(["a", "b", "c"], counts, 0.95)
    assert (found["num_pairs"], found["num_reversed"]) == (2, 0)
    (pair,) = found["pairs"]
    assert (pair["highest"], pair["lowest"]) == ("c", "a")
    assert pair["share_compared"] == pytest.approx(16 / 26, abs=1e-6)


def test_every_pair_that_turns_round_is_listed_after_the_largest() -> None:
    """g is alike in both posts and far ahead of f; m and f are those of the paradox."""
    counts = 20 * np.concatenate([PARADOX, np.full((2, 1, 2), [0, 50])], axis=1)
    found = conditional_differences(["m", "f", "g"], counts, 0.95)
    assert [(one["highest"], one["lowest"], one["reversal"]) for one in found["pairs"]] == [
        ("g", "f", "none"),
        ("m", "f", "shown"),
    ]
    assert (found["num_pairs"], found["num_reversed"]) == (3, 1)


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
