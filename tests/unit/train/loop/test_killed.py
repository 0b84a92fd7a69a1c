"""A training that is killed, at whatever moment, ends as one that was left alone."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pipeline.train.loop import steps as loop
from pipeline.train.loop import training
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import FILE, PREVIOUS, Checkpoint
from pipeline.train.loop.state import Progress
from pipeline.train.loop.training import fit
from tests.small_network import SETTINGS, TRAIN, VALIDATION, network, same

NUM_STEPS = 42  # six passes of seven batches
SCHEDULED = SETTINGS.model_copy(
    update={"schedule": "cosine", "warmup_share": 0.2, "max_gradient_norm": 0.5}
)


def noisy(inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """An augmentation: it draws random numbers in each step, as dropout does."""
    return (inputs[0] + 0.1 * torch.randn_like(inputs[0]),)


def train(folder: Path, watch: Callable[[Progress], None] | None = None) -> Any:
    return fit(
        network(),
        TRAIN,
        VALIDATION,
        SCHEDULED,
        Checkpoint(folder),
        folder / "curves.jsonl",
        augment=noisy,
        watch=watch,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Progress, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return *train(folder), (folder / "curves.jsonl").read_bytes()


@pytest.fixture(autouse=True)
def saves_after_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_S", -1.0)


def killed(work: Callable[[], Any]) -> None:
    """Do it in another process, which has to kill itself."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ends_the_same(whole: tuple[dict[str, Any], Progress, bytes], folder: Path) -> None:
    weights, progress = train(folder)
    assert same(weights, whole[0])
    assert progress == whole[1]
    assert (folder / "curves.jsonl").read_bytes() == whole[2]


def test_saving_changes_nothing(whole: Any, tmp_path: Path) -> None:
    ends_the_same(whole, tmp_path)


@pytest.mark.parametrize("step", [1, 2, 7, 8, 25, NUM_STEPS])
def test_in_a_step(
    whole: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], step: int
) -> None:
    def watch(progress: Progress) -> None:
        if progress.num_steps == step and progress.step:
            kill()  # before this step is saved

    killed(lambda: train(tmp_path, watch))
    capfd.readouterr()
    ends_the_same(whole, tmp_path)
    epoch, in_epoch = divmod(step - 1, 7)
    told = capfd.readouterr().err
    if step == 1:
        assert "resuming" not in told
    else:
        assert f"resuming after epoch {epoch}" in told
        assert (f"and {in_epoch} steps of the next one" in told) == bool(in_epoch)


@pytest.mark.parametrize(
    ("moment", "save"),
    [
        *(("half a file", save) for save in (1, 2, 48)),
        *(("a whole file", save) for save in (1, 12)),
        *(("between the renames", save) for save in (2, 12, 48)),
    ],
)
def test_in_a_save(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, save: int
) -> None:
    real, replace, saves = safetensors.torch.save_file, Path.replace, []

    def save_file(tensors: Any, target: Path, metadata: Any = None) -> None:
        saves.append(target)
        real(tensors, target, metadata=metadata)
        if len(saves) == save and moment != "between the renames":
            if moment == "half a file":
                os.truncate(target, target.stat().st_size // 2)
            kill()

    def renamed(self: Path, target: Path) -> Path:
        found = replace(self, target)
        if len(saves) == save and target.name == PREVIOUS:
            kill()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save_file", save_file)
        patch.setattr(Path, "replace", renamed)
        killed(lambda: train(tmp_path))
    ends_the_same(whole, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {FILE, PREVIOUS, "curves.jsonl"}


@pytest.mark.parametrize("damage", ["half", "one bit"])
def test_and_the_last_state_is_damaged(
    whole: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    def watch(progress: Progress) -> None:
        if progress.num_steps == 11:
            kill()

    killed(lambda: train(tmp_path, watch))
    content = bytearray((tmp_path / FILE).read_bytes())
    if damage == "half":
        del content[len(content) // 2 :]
    else:
        content[-5] ^= 1
    (tmp_path / FILE).write_bytes(content)
    capfd.readouterr()
    ends_the_same(whole, tmp_path)
    told = capfd.readouterr().err
    assert "the checkpoint state.safetensors is damaged" in told
    assert "resuming after epoch 1 and 2 steps" in told  # ten steps were saved, nine remain


def test_of_pictures_with_a_fused_optimizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights lie in memory in another order than in the file: the moments must follow them."""
    monkeypatch.setattr(loop, "FUSED_FROM", 1)
    generator = torch.Generator().manual_seed(3)
    pictures = torch.randn(60, 2, 6, 6, generator=generator)
    labels = (pictures[:, 0, 2, 2] > 0).long()
    rows = Part((pictures,), labels, torch.ones(60), torch.zeros(60, 0), "multiclass")

    def learnt(folder: Path, watch: Callable[[Progress], None] | None = None) -> Any:
        torch.manual_seed(0)
        layers = (torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 3))
        model = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(20, 2))
        curve = folder / "curves.jsonl"
        settings = SETTINGS.model_copy(update={"max_epochs": 3})
        return fit(model, rows, rows, settings, Checkpoint(folder), curve, watch=watch)[0]

    def watch(progress: Progress) -> None:
        if progress.num_steps == 4:
            kill()

    expected = learnt(tmp_path / "whole")
    killed(lambda: learnt(tmp_path / "killed", watch))
    assert same(learnt(tmp_path / "killed"), expected)
