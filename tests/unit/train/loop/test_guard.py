"""A training that goes wrong is stopped, and the rows of the batch are named."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.core.run.runner import explained
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import FILE, Checkpoint
from pipeline.train.loop.guard import TrainingDiverged, UsualNorm
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.training import fit
from tests.small_network import SETTINGS, TRAIN, VALIDATION, network

NUMBERED = dataclasses.replace(TRAIN, ids=torch.arange(210) * 10 + 1000)
SMALL = SETTINGS.model_copy(update={"batch_size": 4})


def batch_of(row: int, epoch: int, size: int) -> tuple[int, list[int]]:
    """The step, counted from 1, in which a row is, and the positions of its batch."""
    torch.manual_seed(5 * 1_000_003 + epoch)
    order = torch.randperm(210).tolist()
    number = order.index(row) // size
    return number + 1, order[number * size : (number + 1) * size]


def refusal(folder: Path, train: Part, settings: LoopSettings = SETTINGS) -> TrainingDiverged:
    with pytest.raises(TrainingDiverged) as caught:
        fit(network(), train, VALIDATION, settings, Checkpoint(folder), folder / "c.jsonl")
    return caught.value


@pytest.mark.parametrize(
    ("what", "told"), [("inputs", "a finite loss, got nan"), ("weights", "a finite loss, got inf")]
)
def test_a_loss_that_is_no_number(tmp_path: Path, what: str, told: str) -> None:
    rows, weights = TRAIN.inputs[0].clone(), TRAIN.weights.clone()
    rows[17, 2] = float("nan") if what == "inputs" else 0.0
    weights[17] = float("inf") if what == "weights" else 1.0
    error = refusal(tmp_path, dataclasses.replace(NUMBERED, inputs=(rows,), weights=weights))
    step, batch = batch_of(17, 1, 32)
    assert f"expected {told} in epoch 1, step {step};" in error.message
    assert set(error.findings) == {f"row {1000 + 10 * one}" for one in batch}
    assert "row 1170" in error.findings
    assert "train.learning_rate" in error.hint
    assert not (tmp_path / FILE).exists()
    code, record = explained(error, tmp_path / "traceback.txt")
    assert code == 2
    assert "… and 22 more" in record["message"]
    assert set(record["findings"]) == set(error.findings)


def test_a_gradient_that_is_no_number(tmp_path: Path) -> None:
    # the square root has a finite value at 0 and no finite slope there
    rows = TRAIN.inputs[0].abs() + 0.1
    rows[17] = 0

    class Rooted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(3))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return (inputs * self.scale).sqrt().sum(1)

    with pytest.raises(TrainingDiverged, match="a finite gradient, got a norm of nan in epoch 1"):
        fit(
            Rooted(),
            dataclasses.replace(TRAIN, inputs=(rows,)),
            dataclasses.replace(VALIDATION, inputs=(VALIDATION.inputs[0].abs() + 0.1,)),
            SETTINGS,
            Checkpoint(tmp_path),
            tmp_path / "c.jsonl",
        )


@pytest.mark.parametrize("row", [3, 140])
def test_a_gradient_that_explodes(tmp_path: Path, row: int) -> None:
    weights = TRAIN.weights.clone()
    weights[row] = 1e6
    heavy = dataclasses.replace(NUMBERED, weights=weights)
    step, batch = batch_of(row, 1, 4)
    epoch = 1
    if step <= 20:  # there are not yet enough norms to say what is usual
        epoch, (step, batch) = 2, batch_of(row, 2, 4)
    error = refusal(tmp_path, heavy, SMALL)
    assert f"in epoch {epoch}, step {step};" in error.message
    assert "train.max_gradient_growth" in error.message
    assert set(error.findings) == {f"row {1000 + 10 * one}" for one in batch}


@pytest.mark.parametrize("change", [{"max_gradient_norm": 1.0}, {"max_gradient_growth": None}])
def test_one_that_is_shortened_or_allowed_does_not_stop(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    weights = TRAIN.weights.clone()
    weights[3] = 1e6
    heavy = dataclasses.replace(TRAIN, weights=weights)
    settings = SMALL.model_copy(update={**change, "learning_rate": 1e-4, "max_epochs": 2})
    checkpoint, curve = Checkpoint(tmp_path), tmp_path / "c.jsonl"
    _, progress = fit(network(), heavy, VALIDATION, settings, checkpoint, curve)
    assert progress.epoch == 2


def test_rows_that_balance_made_are_counted(tmp_path: Path) -> None:
    rows = TRAIN.inputs[0].clone()
    rows[17, 2] = float("nan")
    made = dataclasses.replace(TRAIN, inputs=(rows,), ids=torch.full((210,), -1))
    assert refusal(tmp_path, made).findings == ("32 rows that balance made",)


def test_a_network_that_has_learnt_its_rows_may_meet_a_hard_batch() -> None:
    usual = UsualNorm()
    for _ in range(19):
        usual.add(1.0)
    assert usual.limit(1000) == float("inf")
    for _ in range(100):
        usual.add(2.0)
    for _ in range(200):
        usual.add(1e-6)
    assert usual.limit(1000) == 2000.0  # of the first hundred steps
    for norm in [5.0, 7.0, 9.0] * 40:
        usual.add(norm)
    assert usual.limit(1000) == 7000.0  # of the last hundred


def test_zero_gradients_are_no_measure() -> None:
    usual = UsualNorm()
    for _ in range(30):
        usual.add(0.0)
    assert usual.limit(1000) == float("inf")
