"""The loop against a plain one; stopping, resuming, and the same bytes again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.core.errors import PipelineError
from pipeline.train.loop import training
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import FILE, Checkpoint
from pipeline.train.loop.penalty import Mitigation
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import Progress
from pipeline.train.loop.training import fit, timed_steps
from tests.small_network import SETTINGS, TRAIN, VALIDATION, network, same


class Killed(Exception):
    """Stands for the end of the process."""


def train(folder: Path, settings: LoopSettings = SETTINGS) -> tuple[dict[str, Any], Progress]:
    checkpoint = Checkpoint(folder / "checkpoint")
    return fit(network(), TRAIN, VALIDATION, settings, checkpoint, folder / "curves.jsonl")


@contextmanager
def dying_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, a training ends with Killed once it reported this epoch."""

    @contextmanager
    def bar(settings: LoopSettings, progress: Progress, writes: bool) -> Iterator[Any]:
        def advance(point: dict[str, float]) -> None:
            if point["epoch"] == epoch:
                raise Killed

        yield advance

    with monkeypatch.context() as patch:
        patch.setattr(training, "_bar", bar)
        yield


def test_two_epochs_equal_a_plain_loop(tmp_path: Path) -> None:
    plain = network()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.02, weight_decay=0.01)
    losses = []
    for epoch in (1, 2):
        torch.manual_seed(5 * 1_000_003 + epoch)
        order = torch.randperm(210)
        plain.train()
        for start in range(0, 210, 32):
            rows = order[start : start + 32]
            loss = nn.functional.binary_cross_entropy_with_logits(
                plain(TRAIN.inputs[0][rows]), TRAIN.labels[rows], TRAIN.weights[rows]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        plain.eval()
        with torch.no_grad():
            probability = torch.sigmoid(plain(VALIDATION.inputs[0])).double()
        likelihood = torch.where(VALIDATION.labels == 1, probability, 1 - probability).log()
        losses.append(float(-(VALIDATION.weights * likelihood).mean()))
    assert losses[1] < losses[0]  # so that the second epoch's weights are the best ones
    best, progress = train(tmp_path, SETTINGS.model_copy(update={"max_epochs": 2}))
    assert same(best, plain.state_dict())
    assert [one["validation_loss"] for one in progress.curve] == pytest.approx(losses, abs=1e-6)


def test_training_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, _ = train(tmp_path / "a")
    second, _ = train(tmp_path / "b")
    assert same(first, second)
    curves = [(tmp_path / name / "curves.jsonl").read_bytes() for name in "ab"]
    assert curves[0] == curves[1]
    other, _ = train(tmp_path / "c", SETTINGS.model_copy(update={"seed": 6}))
    assert not same(first, other)


@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_a_training_that_was_killed_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], epoch: int
) -> None:
    whole, progress = train(tmp_path / "whole")
    with dying_after(epoch, monkeypatch), pytest.raises(Killed):
        train(tmp_path / "killed")
    assert len((tmp_path / "killed/curves.jsonl").read_text().splitlines()) == epoch
    capfd.readouterr()
    resumed, again = train(tmp_path / "killed")
    assert f"resuming after epoch {epoch}" in capfd.readouterr().err
    assert same(whole, resumed)
    assert progress == again
    one, other = (tmp_path / name / "curves.jsonl" for name in ("whole", "killed"))
    assert one.read_bytes() == other.read_bytes()


def test_a_kill_while_saving_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    whole, _ = train(tmp_path / "whole")
    real, saves = safetensors.torch.save_file, []

    def save_file(tensors: Any, target: Path, metadata: Any = None) -> None:
        saves.append(target)
        if len(saves) == 3:
            target.write_bytes(b"half a file")
            raise Killed
        real(tensors, target, metadata=metadata)

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save_file", save_file)
        with pytest.raises(Killed):
            train(tmp_path / "killed")
    state = Checkpoint(tmp_path / "killed/checkpoint").load()
    assert state is not None
    assert state[1]["epoch"] == 2
    assert same(whole, train(tmp_path / "killed")[0])


def test_curves_have_one_line_per_epoch_that_can_be_followed(tmp_path: Path) -> None:
    _, progress = train(tmp_path)
    lines = (tmp_path / "curves.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == progress.curve
    assert [point["epoch"] for point in progress.curve] == [1, 2, 3, 4, 5, 6]
    assert set(progress.curve[0]) == {
        "epoch",
        "train_loss",
        "validation_loss",
        "validation_log_loss",
        "validation_spread",
    }


def test_early_stopping_keeps_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.9, 0.5, 0.7, 0.6, 0.5, 0.1])
    seen: list[dict[str, Any]] = []

    def evaluate(network: Any, part: Part, mitigation: Mitigation) -> dict[str, float]:
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"validation_loss": next(losses)}

    monkeypatch.setattr(training, "evaluate", evaluate)
    best, progress = train(tmp_path, SETTINGS.model_copy(update={"patience": 3}))
    assert (progress.epoch, progress.best_epoch, progress.best_loss) == (5, 2, 0.5)
    assert same(best, seen[1])
    assert not same(best, seen[4])


def test_the_penalty_narrows_the_gap(tmp_path: Path) -> None:
    spreads = []
    for strength in (0.0, 2.0):
        mitigation = Mitigation(strength=strength)
        settings = SETTINGS.model_copy(update={"mitigation": mitigation, "max_epochs": 20})
        _, progress = train(tmp_path / str(strength), settings)
        spreads.append(progress.curve[-1]["validation_spread"])
        last = progress.curve[-1]
        penalised = last["validation_log_loss"] + strength * last["validation_spread"]
        assert last["validation_loss"] == pytest.approx(penalised, abs=3e-6)
    assert spreads[1] < spreads[0] / 2


def test_the_penalty_of_error_rates_narrows_their_gap(tmp_path: Path) -> None:
    gaps = []
    for strength in (0.0, 2.0):
        mitigation = Mitigation(strength=strength, constraint="equalized_odds")
        settings = SETTINGS.model_copy(update={"mitigation": mitigation, "max_epochs": 20})
        weights, _ = train(tmp_path / str(strength), settings)
        model = network()
        model.load_state_dict(weights)
        with torch.no_grad():
            decided = (model.eval()(VALIDATION.inputs[0]) >= 0).float()
        each = []
        for label in (0, 1):
            groups = [VALIDATION.members[:, i] == 1 for i in (0, 1)]
            rates = [decided[rows & (VALIDATION.labels == label)].mean() for rows in groups]
            each.append(float((rates[0] - rates[1]).abs()))
        gaps.append(max(each))
    assert gaps[1] < gaps[0] / 2


def test_row_weights_count(tmp_path: Path) -> None:
    plain, _ = train(tmp_path / "plain")

    def heavy(rows: Part) -> Part:
        weights = torch.where(rows.labels == 1, 5.0, 1.0)
        return Part(rows.inputs, rows.labels, weights, rows.members)

    checkpoint, curves = Checkpoint(tmp_path / "c"), tmp_path / "curves.jsonl"
    tilted, _ = fit(network(), heavy(TRAIN), heavy(VALIDATION), SETTINGS, checkpoint, curves)
    mean = []
    for weights_found in (plain, tilted):
        model = network()
        model.load_state_dict(weights_found)
        mean.append(model.eval()(VALIDATION.inputs[0]).mean().item())
    assert mean[1] > mean[0] + 0.5


def test_a_training_that_diverges_is_refused_with_what_to_change(tmp_path: Path) -> None:
    rows = TRAIN.inputs[0].clone()
    rows[0, 0] = float("nan")
    broken = Part((rows,), TRAIN.labels, TRAIN.weights, TRAIN.members)
    with pytest.raises(PipelineError, match="epoch 1") as caught:
        fit(network(), broken, VALIDATION, SETTINGS, Checkpoint(tmp_path), tmp_path / "c.jsonl")
    assert "train.learning_rate" in caught.value.hint
    assert not (tmp_path / FILE).exists()


def test_what_watch_says_stops_training_with_the_best_weights(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []

    def watch(progress: Progress) -> str | None:
        seen.append((progress.epoch, progress.step, progress.num_steps))
        return "budget" if progress.num_steps == 10 else None

    checkpoint = Checkpoint(tmp_path)
    best, progress = fit(
        network(), TRAIN, VALIDATION, SETTINGS, checkpoint, tmp_path / "c.jsonl", watch=watch
    )
    # seven steps of 32 rows in each pass over 210 rows, then a word at the end of the pass
    assert seen == [(0, i, i) for i in range(1, 8)] + [(1, 0, 7)] + [
        (1, i, 7 + i) for i in (1, 2, 3)
    ]
    assert (progress.stopped, progress.epoch, progress.best_epoch) == ("budget", 2, 2)
    whole, _ = train(tmp_path / "whole", SETTINGS.model_copy(update={"max_epochs": 2}))
    assert not same(best, whole)  # the second pass was cut short


@pytest.mark.parametrize("number", [6 * 7, 6 * 7 - 1])
def test_a_word_that_cuts_nothing_short_is_not_told(tmp_path: Path, number: int) -> None:
    """Six passes of seven steps: a word in the last step comes too late to stop anything."""

    def watch(progress: Progress) -> str | None:
        return "budget" if progress.num_steps >= number else None

    folder, curve = Checkpoint(tmp_path), tmp_path / "c.jsonl"
    _, progress = fit(network(), TRAIN, VALIDATION, SETTINGS, folder, curve, watch=watch)
    assert progress.stopped == ("max_epochs" if number == 42 else "budget")
    impatient = SETTINGS.model_copy(update={"patience": 1, "max_epochs": 500, "batch_size": 210})
    ended = train(tmp_path / "a", impatient)[1]

    def late(progress: Progress) -> str | None:
        return "budget" if progress.epoch == ended.epoch else None

    folder = Checkpoint(tmp_path / "b")
    _, progress = fit(network(), TRAIN, VALIDATION, impatient, folder, curve, watch=late)
    assert (progress.stopped, progress.epoch) == ("patience", ended.epoch)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_passes_made_here_are_those_of_this_process(tmp_path: Path, accumulate: int) -> None:
    """Seven batches a pass: seven steps, or three. A kill in the second step of the second pass,
    then a training to its end, then one that has nothing left to do."""
    settings = SETTINGS.model_copy(update={"accumulate": accumulate})
    steps = {1: 7, 3: 3}[accumulate]
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if progress.num_steps == steps + 2:
            raise Killed

    def go_on(watch: Any = None) -> float:
        folder, curve = Checkpoint(tmp_path), tmp_path / "c.jsonl"
        found = fit(network(), TRAIN, VALIDATION, settings, folder, curve, watch=watch)
        return found[1].passes_here

    with pytest.raises(Killed):
        go_on(watch)
    assert seen[-1].passes_here == pytest.approx(1 + 2 / steps)
    assert go_on() == pytest.approx(5)  # the last state was saved after the first pass
    assert go_on() == 0


def test_passes_of_one_killed_inside_a_pass_are_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(progress: Progress) -> None:
        if progress.num_steps == 10:
            raise Killed

    monkeypatch.setattr(training, "SAVE_EVERY_S", -1.0)
    folder, curve = Checkpoint(tmp_path), tmp_path / "c.jsonl"
    with pytest.raises(Killed):
        fit(network(), TRAIN, VALIDATION, SETTINGS, folder, curve, watch=watch)
    _, progress = fit(network(), TRAIN, VALIDATION, SETTINGS, folder, curve)
    assert progress.passes_here == pytest.approx(6 - 9 / 7)  # nine steps were saved
    assert progress.num_steps == 42


def test_why_training_stopped_is_told(tmp_path: Path) -> None:
    assert train(tmp_path / "a")[1].stopped == "max_epochs"
    settings = SETTINGS.model_copy(update={"patience": 1, "max_epochs": 500, "batch_size": 210})
    assert train(tmp_path / "b", settings)[1].stopped == "patience"


def test_timed_steps_leave_no_trace() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    seconds = timed_steps(model, TRAIN, SETTINGS, 9)  # of seven in a pass
    assert torch.equal(torch.rand(4), expected)
    assert same(before, model.state_dict())
    assert all(value.grad is None for value in model.parameters())
    assert len(seconds) == 9
    assert min(seconds) > 0


def test_timed_steps_beyond_the_last_refuse_no_training() -> None:
    """Forty of a training of seven, with gradients that a guard would refuse."""
    settings = SETTINGS.model_copy(
        update={"max_epochs": 1, "schedule": "linear", "max_gradient_growth": 1e-9}
    )
    assert len(timed_steps(network(), TRAIN, settings, 40)) == 40
