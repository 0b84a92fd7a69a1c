"""Losses and spreads by task: by hand, and several classes of two agree with two."""

import pytest
import torch
from torch import Tensor

from pipeline.train.loop.losses import group_spread, mean_loss, penalised_spread
from pipeline.train.loop.penalty import Constraint, Mitigation, selection_rate_spread

LOGITS = torch.tensor([0.4, -1.0, 2.0, 0.1, -0.3, 1.2])
WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0, 0.5])
MEMBERS = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]])


def as_two(logits: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(logits), logits], dim=1)


def test_two_classes_as_several_have_the_same_loss() -> None:
    labels = torch.tensor([1.0, 0, 1, 0, 0, 1])
    two = mean_loss("binary", LOGITS, labels, WEIGHTS)
    several = mean_loss("multiclass", as_two(LOGITS), labels.long(), WEIGHTS)
    torch.testing.assert_close(two, several)


def test_squared_error_by_hand() -> None:
    outputs, targets = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])
    # (1·3 + 4·0.5) / 2 rows
    loss = mean_loss("regression", outputs, targets, torch.tensor([3.0, 0.5]))
    assert loss.item() == pytest.approx(2.5)


def test_two_classes_as_several_have_the_same_spread() -> None:
    two = selection_rate_spread(LOGITS, MEMBERS, sharpness=2.0)
    torch.testing.assert_close(group_spread("binary", LOGITS, MEMBERS, 2.0), two)
    torch.testing.assert_close(group_spread("multiclass", as_two(LOGITS), MEMBERS, 2.0), two)


def test_the_spread_of_numbers_is_the_variance_of_the_groups_means() -> None:
    outputs = torch.tensor([1.0, 3.0, 5.0, 7.0])
    members = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    # Means of 2 and 6 about 4, each of half of the rows.
    assert group_spread("regression", outputs, members, 2.0).item() == pytest.approx(4)
    mixed = torch.tensor([[1.0, 0], [0, 1], [0, 1], [1, 0]])
    assert group_spread("regression", outputs, mixed, 2.0).item() == pytest.approx(0)


def test_the_spread_of_several_classes_is_the_mean_over_them() -> None:
    logits = torch.tensor([[9.0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]]) * 10
    members = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    # The first class is the first group (1); the others are half of the second: 0.0625 / 0.1875.
    assert group_spread("multiclass", logits, members, 2.0).item() == pytest.approx((1 + 2 / 3) / 3)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_step_against_the_spread_lowers_it(task: str) -> None:
    torch.manual_seed(0)
    outputs = torch.randn((6, 3) if task == "multiclass" else 6, requires_grad=True)
    before = group_spread(task, outputs, MEMBERS, 2.0)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(before, outputs)
    after = group_spread(task, outputs - 0.1 * gradient, MEMBERS, 2.0)  # type: ignore[arg-type]
    assert after < before


def test_a_column_without_groups_spreads_nothing() -> None:
    for task, outputs in (("multiclass", as_two(LOGITS)), ("regression", LOGITS)):
        assert group_spread(task, outputs, torch.zeros((6, 0)), 2.0).item() == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("constraint", "labels"),
    [
        ("true_positive_rate_parity", [1]),
        ("false_positive_rate_parity", [0]),
        ("equalized_odds", [0, 1]),
    ],
)
def test_a_constraint_on_errors_compares_within_labels(
    constraint: Constraint, labels: list[int]
) -> None:
    targets = torch.tensor([1.0, 0, 1, 1, 0, 0])
    mitigation = Mitigation(strength=1, constraint=constraint)
    found = penalised_spread("binary", LOGITS, targets, MEMBERS, mitigation)
    each = [
        group_spread("binary", LOGITS[targets == label], MEMBERS[targets == label], 2.0)
        for label in labels
    ]
    torch.testing.assert_close(found, sum(each) / len(labels))
    assert found > 0


def test_a_batch_without_the_label_counts_nothing_and_has_a_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    mitigation = Mitigation(strength=1, constraint="true_positive_rate_parity")
    found = penalised_spread("binary", logits, torch.zeros(6), MEMBERS, mitigation)
    (found + logits.sum()).backward()
    assert found.item() == 0
    assert torch.equal(logits.grad, torch.ones(6))  # type: ignore[arg-type]
