"""Training: epochs until validation no longer improves, the best weights, and checkpoints.

A training that was killed and resumed ends with the same bytes as one that was not disturbed. The
steps stand in `loop`, the batches in `batches`, what is made small in `objective`.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import PipelineError
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.guard import Silent
from pipeline.train.loop.objective import evaluate
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import Progress, copy_of, under
from pipeline.train.loop.steps import Augment, Loop

if TYPE_CHECKING:
    from torch import Tensor, nn

Watch = Callable[[Progress], str | None]
SAVE = "save"
"""The word at which all processes save; other words end training."""
SAVE_EVERY_S = 30.0
"""Seconds between checkpoints inside an epoch; when they are made changes no result."""


def fit(
    network: "nn.Module",
    train: Part,
    validation: Part,
    settings: LoopSettings,
    checkpoint: Checkpoint,
    curve_file: Path,
    *,
    augment: Augment | None = None,
    watch: Watch | None = None,
) -> "tuple[dict[str, Tensor], Progress]":
    """Train until validation no longer improves; return the best weights, on the CPU.

    Appends one JSON line per epoch to `curve_file`, and resumes from `checkpoint` if it holds a
    state. CPU or GPU, as Lightning Fabric finds it.

    Args:
        network: With the weights to start from.
        train: The rows to learn from.
        validation: The rows that say when to stop, and which weights are best.
        settings: Of the loop.
        checkpoint: Where the state is kept.
        curve_file: One line per epoch, for those who follow it.
        augment: What is done to the inputs of a training batch.
        watch: Asked after each step and each epoch; what it returns stops training, with the best
            weights. In the middle of an epoch, this one is cut short and judged as it is.
    """
    loop = Loop(network, train, settings, augment)
    run = _Run(loop, checkpoint, watch)
    validation, progress = validation.to(loop.device), run.progress
    curve_file = curve_file if loop.writes else Path(os.devnull)
    _rewrite(curve_file, progress.curve)
    with _bar(settings, progress, loop.writes) as advance:
        while not (stopped := progress.reason_to_stop(settings)):
            word = run.make_steps()
            point = run.end_epoch(validation, word)
            append(curve_file, point)
            advance(point)
    progress.stopped = stopped
    return {name: value.cpu() for name, value in run.best.items()}, progress


class _Run:
    """A training that goes on: where it stands, its best weights, and where both are kept.

    Args:
        loop: Its steps.
        checkpoint: Where the state is kept; training goes on from one that is there.
        watch: Asked after each step and each epoch for a reason to stop.
    """

    def __init__(self, loop: Loop, checkpoint: Checkpoint, watch: Watch | None) -> None:
        self.loop, self.checkpoint, self.watch = loop, checkpoint, watch
        self.best, self.progress = copy_of(loop.network), Progress()
        self.random: dict[str, Tensor] | None = None
        if state := checkpoint.load():
            self.random, self.best = loop.restore(state[0]), under("best/", state[0])
            self.progress = Progress(**{**state[1], "passes_here": 0.0})
            if loop.writes:
                epoch, more = self.progress.epoch, _middle(self.progress)
                print(f"resuming after epoch {epoch}{more}", file=sys.stderr)
        self.saved_at = time.monotonic()

    def make_steps(self) -> str:
        """Make the steps that the next epoch still lacks; returns the word that ended them."""
        loop, progress = self.loop, self.progress
        for _ in loop.epoch(progress.epoch + 1, progress.step, self.random):
            progress.step, progress.num_steps = progress.step + 1, progress.num_steps + 1
            progress.passes_here += 1 / loop.steps_per_epoch
            word = self._asked()
            if not word and time.monotonic() - self.saved_at > SAVE_EVERY_S:
                word = SAVE
            if (word := loop.agreed(word, progress.num_steps)) == SAVE:
                self._save()
            elif word:
                return word
        return ""

    def end_epoch(self, validation: Part, word: str) -> dict[str, float]:
        """Judge and save the epoch; returns its point of the curve.

        A word that cuts nothing short, as no further step would have been made, is not kept.
        """
        loop, progress = self.loop, self.progress
        is_whole = progress.step == loop.steps_per_epoch
        progress.epoch, progress.step, self.random = progress.epoch + 1, 0, None
        point = _point(loop, progress.epoch, validation)
        progress.curve.append(point)
        if point["validation_loss"] < progress.best_loss:
            self.best, progress.best_epoch = copy_of(loop.network), progress.epoch
            progress.best_loss = point["validation_loss"]
        word = word or loop.agreed(self._asked(), 0)
        ends = is_whole and progress.reason_to_stop(loop.settings)
        progress.stopped = "" if ends else word
        self._save()
        return point

    def _asked(self) -> str:
        return (self.watch(self.progress) if self.watch else "") or ""

    def _save(self) -> None:
        tensors = self.loop.state() | {f"best/{name}": one for name, one in self.best.items()}
        if self.loop.writes:
            self.checkpoint.save(tensors, vars(self.progress))
        self.saved_at = time.monotonic()


def passes(
    network: "nn.Module",
    train: Part,
    validation: Part,
    settings: LoopSettings,
    num_epochs: int,
    *,
    augment: Augment | None = None,
) -> "tuple[dict[str, Tensor], list[dict[str, float]]]":
    """Train for a number of epochs, neither stopped nor resumed; the last weights and the curve."""
    settings = settings.model_copy(update={"max_epochs": num_epochs})
    loop = Loop(network, train, settings, augment)
    validation = validation.to(loop.device)
    curve = []
    for epoch in range(1, num_epochs + 1):
        for _ in loop.epoch(epoch):
            pass
        curve.append(_point(loop, epoch, validation))
    return {name: value.cpu() for name, value in copy_of(loop.network).items()}, curve


def timed_steps(
    network: "nn.Module",
    train: Part,
    settings: LoopSettings,
    num_steps: int,
    augment: Augment | None = None,
) -> list[float]:
    """Seconds of each of the first optimizer steps of a training, at its real sizes.

    They are made on a copy of the network and leave no trace in state or random numbers; what they
    come to refuses no training. The first ones are slower: they shuffle, and the machine warms up
    (or compiles).
    """
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    seconds: list[float] = []
    with torch.random.fork_rng(devices):
        loop, epoch = Loop(deepcopy(network), train, settings, augment), 0
        loop.guard = Silent(settings, train)
        started = time.perf_counter()
        while len(seconds) < num_steps:
            epoch += 1
            for _ in loop.epoch(epoch):
                if devices:
                    torch.cuda.synchronize()
                now = time.perf_counter()
                seconds.append(now - started)
                started = now
                if len(seconds) == num_steps:
                    break
    return seconds


def _point(loop: Loop, epoch: int, validation: Part) -> dict[str, float]:
    """An epoch's point of the curve.

    Raises:
        PipelineError: a loss is not finite: no later epoch brings it back.
    """
    point = {
        "epoch": epoch,
        "train_loss": round(loop.train_loss(), 6),
        **evaluate(loop.network, validation, loop.settings.mitigation),
    }
    for name in ("train_loss", "validation_loss"):
        if not math.isfinite(point.get(name, 0.0)):
            raise PipelineError(
                f"train: expected a finite {name}, got {point[name]} in epoch {point['epoch']}",
                hint="lower `train.learning_rate`; or are there weights or labels missing?",
            )
    return point


def _middle(progress: Progress) -> str:
    return f" and {progress.step} steps of the next one" if progress.step else ""


def _rewrite(curve_file: Path, curve: list[dict[str, float]]) -> None:
    curve_file.parent.mkdir(parents=True, exist_ok=True)
    curve_file.write_text("".join(json.dumps(point) + "\n" for point in curve), encoding="utf-8")


def append(curve_file: Path, point: dict[str, float]) -> None:
    """Add one line to a curve, for those who follow the file."""
    with curve_file.open("a", encoding="utf-8") as curve:
        curve.write(json.dumps(point) + "\n")


def _bar(settings: LoopSettings, progress: Progress, writes: bool) -> Any:
    from pipeline.core.run.progress import epochs

    silent = nullcontext(lambda point: None)  # noqa: ARG005 -- a bar's signature
    return epochs(settings.max_epochs, progress.epoch) if writes else silent
