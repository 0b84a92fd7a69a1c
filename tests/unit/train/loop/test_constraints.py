"""Groups that are joined; what is measured of a constraint, by hand and by Fairlearn."""

import numpy as np
import pytest
import torch
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    FalsePositiveRateParity,
    TruePositiveRateParity,
)

from pipeline.core.errors import ProjectError
from pipeline.train.loop.batches import Part
from pipeline.train.loop.constraints import JOINED, Groups, cost, largest_difference, measured

MOMENTS = {
    "demographic_parity": DemographicParity,
    "equalized_odds": EqualizedOdds,
    "true_positive_rate_parity": TruePositiveRateParity,
    "false_positive_rate_parity": FalsePositiveRateParity,
}


def test_small_groups_are_joined_and_unknown_ones_with_them() -> None:
    found = Groups.joined(
        np.array(["a"] * 5 + ["b"] * 2 + ["c"] * 1), np.array(["a", "c", "new"]), min_rows=3
    )
    assert found.train.tolist() == ["a"] * 5 + [JOINED] * 3
    assert found.validation.tolist() == ["a", JOINED, JOINED]
    assert found.sizes() == [{"group": JOINED, "num_rows": 3}, {"group": "a", "num_rows": 5}]


def test_one_group_is_refused() -> None:
    with pytest.raises(ProjectError, match="expected two groups or more, found 1") as caught:
        Groups.joined(np.array(["a", "b", "c"]), np.array(["a"]), min_rows=2)
    assert "min_group_rows" in caught.value.hint


def test_measured_by_hand() -> None:
    # Of a: labels 1 1 0 0, drawn with 1 1 1 0; of b: 1 0, drawn with 0.5 0.
    labels = torch.tensor([1.0, 1, 0, 0, 1, 0])
    rows = Part((), labels, torch.ones(6), torch.zeros((6, 0)))
    groups, decided = np.array(list("aaaabb")), np.array([1, 1, 1, 0, 0.5, 0])

    def largest(constraint: str) -> float:
        return measured(rows, groups, constraint, decided)["largest_difference_from_all"]

    assert measured(rows, groups, "demographic_parity", decided)["error"] == 0.25
    assert largest("demographic_parity") == pytest.approx(3.5 / 6 - 0.25, abs=1e-6)
    assert largest("true_positive_rate_parity") == pytest.approx(2.5 / 3 - 0.5, abs=1e-6)
    assert largest("false_positive_rate_parity") == pytest.approx(1 / 3, abs=1e-6)
    assert largest("equalized_odds") == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
@pytest.mark.parametrize("constraint", MOMENTS)
def test_the_largest_difference_equals_fairlearns(constraint: str) -> None:
    rng = np.random.default_rng(1)
    labels, groups = rng.integers(0, 2, 200), rng.choice(["a", "b", "c"], 200)
    decided = rng.random(200)
    moment = MOMENTS[constraint]()
    moment.load_data(np.zeros((200, 1)), labels, sensitive_features=groups)
    expected = moment.gamma(lambda _: decided).max()
    assert largest_difference(labels, groups, constraint, decided) == pytest.approx(expected)


def test_deciding_all_alike_is_no_way_to_have_no_difference() -> None:
    rows = Part((), torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0, 0, 0]), torch.ones(10), torch.ones(10))
    found = {"error": 0.4, "largest_difference_from_all": 0.2}
    few, enough = np.repeat([1, 0], [1, 9]), np.repeat([1, 0], [2, 8])
    assert cost(rows, enough, found, 0.25) == pytest.approx(0.35)
    assert cost(rows, few, found, 0.25) == pytest.approx(1.35)
    assert cost(rows, 1 - few[::-1] * 0, found, 0.25) == pytest.approx(1.35)  # all positive
