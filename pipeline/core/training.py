"""The training loop: batches are slices of tensors, early stopping keeps the best weights.

Each epoch is a function of the state before it, the seed and its number, so a training that was
killed and resumed at an epoch's start ends with the same bytes as one that was not disturbed.
"""

import json
import math
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.core.checkpoint import Checkpoint
from pipeline.core.errors import PipelineError
from pipeline.core.losses import LOSSES, mean_loss, penalised_spread
from pipeline.core.mitigation import Mitigation
from pipeline.core.project import Frozen, Task

if TYPE_CHECKING:
    from torch import Tensor, nn


class LoopSettings(Frozen):
    seed: int = Field(0, ge=0, lt=2**32)
    """Of initial weights, order of rows and dropout."""
    max_epochs: int = Field(80, ge=1)
    """Passes over the training rows at the most."""
    patience: int = Field(8, ge=1, json_schema_extra={"unit": "epochs"})
    """Epochs without a better validation loss until training stops."""
    batch_size: int = Field(1024, ge=2)
    """Rows per step."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """AdamW's step size: how far each step moves the weights."""
    weight_decay: float = Field(1e-2, ge=0, le=1)
    """AdamW's pull of the weights towards 0; 0 leaves them alone."""
    num_threads: int = Field(1, ge=1)
    """CPU threads; part of the settings, as sums in another order give other last digits."""
    mitigation: Mitigation = Mitigation()
    """What is done about gaps between groups."""

    @property
    def max_passes(self) -> int:
        """Passes over the training rows at the most, those of members included."""
        return self.max_epochs + self.mitigation.max_member_passes


@dataclass(frozen=True)
class Part:
    """Rows as tensors: what the network takes, labels, weights, and who belongs to which group;
    and the task, which says what the labels are."""

    inputs: "tuple[Tensor, ...]"
    labels: "Tensor"
    weights: "Tensor"
    members: "Tensor"
    task: Task = "binary"

    def take(self, rows: Any) -> "Part":
        return replace(
            self,
            inputs=tuple(values[rows] for values in self.inputs),
            labels=self.labels[rows],
            weights=self.weights[rows],
            members=self.members[rows],
        )

    def to(self, device: Any) -> "Part":
        return replace(
            self,
            inputs=tuple(values.to(device) for values in self.inputs),
            labels=self.labels.to(device),
            weights=self.weights.to(device),
            members=self.members.to(device),
        )


@dataclass
class Progress:
    """Where a training stands; plain data beside the tensors of a checkpoint."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    curve: list[dict[str, float]] = field(default_factory=list)

    def finished(self, settings: LoopSettings) -> bool:
        waited = self.epoch - self.best_epoch
        return self.epoch >= settings.max_epochs or waited >= settings.patience


@dataclass(frozen=True)
class Trained:
    """What a training ends with.

    Attributes:
        weights: On the CPU; of an ensemble, as its network names them.
        progress: The passes that were made.
        mixture: The members' weights in an ensemble; empty for one network.
        facts: What the report tells of the mitigation.
    """

    weights: "dict[str, Tensor]"
    progress: Progress
    mixture: tuple[float, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def fit(
    network: "nn.Module",
    train: Part,
    validation: Part,
    settings: LoopSettings,
    checkpoint: Checkpoint,
    curve_file: Path,
) -> "tuple[dict[str, Tensor], Progress]":
    """Train until validation no longer improves; return the best weights, on the CPU.

    Appends one JSON line per epoch to `curve_file`, and resumes from `checkpoint` if it holds a
    state. CPU or GPU, as Lightning Fabric finds it.
    """
    fabric, network, optimizer = _set_up(network, settings)
    train, validation = train.to(fabric.device), validation.to(fabric.device)
    best = _copy(network)
    progress = Progress()
    if state := checkpoint.load():
        best, progress = _restore(state, network, optimizer)
        print(f"resuming after epoch {progress.epoch}", file=sys.stderr)

    _rewrite(curve_file, progress.curve)
    with curve_file.open("a", encoding="utf-8") as curve, _bar(settings, progress) as advance:
        while not progress.finished(settings):
            progress.epoch += 1
            train_loss = _epoch(fabric, network, optimizer, train, settings, progress.epoch)
            point = evaluate(network, validation, settings.mitigation)
            point = {"epoch": progress.epoch, "train_loss": round(train_loss, 6), **point}
            _check_finite(point)
            progress.curve.append(point)
            if point["validation_loss"] < progress.best_loss:
                best, progress.best_epoch = _copy(network), progress.epoch
                progress.best_loss = point["validation_loss"]
            _save(checkpoint, network, optimizer, best, progress)
            curve.write(json.dumps(point) + "\n")
            curve.flush()
            advance(point)
    return {name: value.cpu() for name, value in best.items()}, progress


def passes(
    network: "nn.Module", train: Part, validation: Part, settings: LoopSettings, num_epochs: int
) -> "tuple[dict[str, Tensor], list[dict[str, float]]]":
    """Train for a number of epochs, neither stopped nor resumed; the last weights and the curve."""
    fabric, network, optimizer = _set_up(network, settings)
    train, validation = train.to(fabric.device), validation.to(fabric.device)
    curve = []
    for epoch in range(1, num_epochs + 1):
        train_loss = _epoch(fabric, network, optimizer, train, settings, epoch)
        point = evaluate(network, validation, settings.mitigation)
        curve.append({"epoch": epoch, "train_loss": round(train_loss, 6), **point})
        _check_finite(curve[-1])
    return {name: value.cpu() for name, value in _copy(network).items()}, curve


def _set_up(network: "nn.Module", settings: LoopSettings) -> tuple[Any, Any, Any]:
    """Fabric, and network and optimizer on its device; the same bytes again on the same device."""
    import torch
    from lightning_fabric import Fabric

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(settings.num_threads)
    fabric = Fabric(accelerator="auto", devices=1)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    return fabric, *fabric.setup(network, optimizer)


def _epoch(
    fabric: Any, network: Any, optimizer: Any, train: Part, settings: LoopSettings, epoch: int
) -> float:
    """One pass over the rows in a new order; returns the mean objective per row."""
    import torch

    torch.manual_seed(settings.seed * 1_000_003 + epoch)
    num_rows = len(train.labels)
    shuffled = train.take(torch.randperm(num_rows).to(train.labels.device))
    total = torch.zeros((), device=train.labels.device)
    network.train()
    for start in range(0, num_rows, settings.batch_size):
        batch = shuffled.take(slice(start, start + settings.batch_size))
        objective = _objective(network(*batch.inputs), batch, settings.mitigation)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(objective)
        optimizer.step()
        total += objective.detach() * len(batch.labels)
    return float(total) / num_rows


def _objective(outputs: "Tensor", part: Part, mitigation: Mitigation) -> "Tensor":
    """Weighted mean loss plus the penalty, a scalar."""
    loss = mean_loss(part.task, outputs, part.labels, part.weights)
    if mitigation.strength == 0:
        return loss
    spread = penalised_spread(part.task, outputs, part.labels, part.members, mitigation)
    return loss + mitigation.strength * spread


def evaluate(network: Any, part: Part, mitigation: Mitigation) -> dict[str, float]:
    """The objective on validation rows, and its two parts."""
    import torch

    network.eval()
    with torch.inference_mode():
        outputs = network(*part.inputs)
        objective = _objective(outputs, part, mitigation)
        loss = _objective(outputs, part, Mitigation())
        spread = penalised_spread(part.task, outputs, part.labels, part.members, mitigation)
    return {
        "validation_loss": round(float(objective), 6),
        f"validation_{LOSSES[part.task]}": round(float(loss), 6),
        "validation_spread": round(float(spread), 6),
    }


def _check_finite(point: dict[str, float]) -> None:
    """Refuse to go on with a loss that is no number: no later epoch brings it back."""
    for name in ("train_loss", "validation_loss"):
        if not math.isfinite(point.get(name, 0.0)):
            raise PipelineError(
                f"train: expected a finite {name}, got {point[name]} in epoch {point['epoch']}",
                hint="lower `train.learning_rate`; or are there weights or labels missing?",
            )


def _copy(network: Any) -> "dict[str, Tensor]":
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _save(
    checkpoint: Checkpoint, network: Any, optimizer: Any, best: "dict[str, Tensor]", at: Progress
) -> None:
    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    moments = optimizer_state(optimizer)
    tensors |= {f"optimizer/{name}": value for name, value in moments.items()}
    checkpoint.save(tensors, vars(at))


def _restore(
    state: "tuple[dict[str, Tensor], dict[str, Any]]", network: Any, optimizer: Any
) -> "tuple[dict[str, Tensor], Progress]":
    """Put a checkpoint's state into network and optimizer; return best weights and progress."""
    tensors, progress = state
    network.load_state_dict(_under("network/", tensors))
    load_optimizer(optimizer, _under("optimizer/", tensors))
    return _under("best/", tensors), Progress(**progress)


def optimizer_state(optimizer: Any) -> "dict[str, Tensor]":
    """What an optimizer remembers of each parameter, by the parameter's number and a name."""
    return {
        f"{index}/{name}": value
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def load_optimizer(optimizer: Any, state: "dict[str, Tensor]") -> None:
    """Put back what `optimizer_state` gave."""
    moments: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        index, name = key.split("/", 1)
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def _under(prefix: str, tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _rewrite(curve_file: Path, curve: list[dict[str, float]]) -> None:
    curve_file.parent.mkdir(parents=True, exist_ok=True)
    curve_file.write_text("".join(json.dumps(point) + "\n" for point in curve), encoding="utf-8")


def append(curve_file: Path, point: dict[str, float]) -> None:
    """Add one line to a curve, for those who follow the file."""
    with curve_file.open("a", encoding="utf-8") as curve:
        curve.write(json.dumps(point) + "\n")


def _bar(settings: LoopSettings, progress: Progress) -> Any:
    from pipeline.core.progress import epochs

    return epochs(settings.max_epochs, progress.epoch)
