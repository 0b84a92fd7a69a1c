"""What stops a training that went wrong: a loss or a gradient that is no number, or that explodes.

Losses and norms stay on the device until a window of steps is full, so that no step waits for it.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import PipelineError
from pipeline.train.loop.batches import Step
from pipeline.train.loop.settings import LoopSettings

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 20
"""Steps between two looks at the device."""
FEWEST, REMEMBERED = 20, 100
"""Norms that make a median, and the last ones that it is taken of."""


class TrainingDiverged(PipelineError):
    """A step of training gave a loss or a gradient from which no later step comes back."""


@dataclass
class UsualNorm:
    """The median norm of the last steps, or of the first ones where that was larger: a network that
    has learnt its rows has small gradients, beside which any batch that it gets wrong is large."""

    first: float = 0.0
    last: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    ordered: list[float] = field(default_factory=list)

    def add(self, norm: float) -> None:
        if len(self.last) == REMEMBERED:
            del self.ordered[bisect_left(self.ordered, self.last[0])]
        self.last.append(norm)
        insort(self.ordered, norm)
        if len(self.last) < REMEMBERED:
            self.first = self.median()

    def median(self) -> float:
        return self.ordered[len(self.ordered) // 2]

    def limit(self, growth: float) -> float:
        """The norm from which a gradient has exploded; none before there is a median."""
        if len(self.last) < FEWEST:
            return float("inf")
        return growth * max(self.median(), self.first) or float("inf")


class Guard:
    """Looks at each step's loss and gradient, some steps later.

    Args:
        settings: Of the loop.
        rows: The training rows, which know their numbers.
    """

    def __init__(self, settings: LoopSettings, rows: Any) -> None:
        self.settings, self.rows = settings, rows
        self.usual = UsualNorm()
        self.waiting: list[tuple[Tensor, Tensor, int, int, Step]] = []

    def add(self, loss: "Tensor", norm: "Tensor", epoch: int, number: int, step: Step) -> None:
        """Note a step's loss and its gradient's norm; number counts from 1 in the epoch."""
        self.waiting.append((loss, norm, epoch, number, step))
        if len(self.waiting) == WINDOW:
            self.look()

    def look(self) -> None:
        """Judge the steps that wait.

        Raises:
            TrainingDiverged: one of them went wrong; names its rows.
        """
        import torch

        if not self.waiting:
            return
        losses = torch.stack([one[0].detach() for one in self.waiting]).tolist()
        norms = torch.stack([one[1] for one in self.waiting]).tolist()
        waiting, self.waiting = self.waiting, []
        for loss, norm, (_, _, epoch, number, step) in zip(losses, norms, waiting, strict=True):
            self._judge(loss, norm, epoch, number, step)

    def _judge(self, loss: float, norm: float, epoch: int, number: int, step: Step) -> None:
        if not isfinite(loss):
            raise self._refusal(f"a finite loss, got {loss}", epoch, number, step)
        if not isfinite(norm):
            raise self._refusal(f"a finite gradient, got a norm of {norm}", epoch, number, step)
        growth = self.settings.max_gradient_growth
        if growth is not None and self.settings.max_gradient_norm is None:
            limit = self.usual.limit(growth)
            if norm > limit:
                told = (
                    f"a gradient with a norm of at most {limit:.4g}, {growth:g} times the usual "
                    f"one (`train.max_gradient_growth`), got {norm:.4g}"
                )
                raise self._refusal(told, epoch, number, step)
            self.usual.add(norm)

    def _refusal(self, told: str, epoch: int, number: int, step: Step) -> TrainingDiverged:
        rows = self.rows.ids_of(step.positions)
        made = rows.count(-1)
        listed = [f"row {row}" for row in rows if row >= 0]
        return TrainingDiverged(
            f"train: expected {told} in epoch {epoch}, step {number}; the batch's rows by their "
            "`_row` in 35_balance/train.parquet, all of them in the run's record in .local/runs:",
            hint="look for extreme or broken values in these rows; or lower "
            "`train.learning_rate`, or set `train.max_gradient_norm: 1`",
            findings=[*listed, *([f"{made} rows that balance made"] if made else [])],
        )

    def state(self) -> "Tensor":
        """The norms that the usual one is found from; looks at the steps that wait first."""
        import torch

        self.look()
        return torch.tensor([self.usual.first, *self.usual.last], dtype=torch.float64)

    def restore(self, state: "Tensor") -> None:
        """Go on from a state."""
        first, *last = state.tolist()
        self.waiting, self.usual = [], UsualNorm(first, deque(last, REMEMBERED), sorted(last))


class Silent(Guard):
    """Looks at the steps as a guard does and refuses none: for those that are only timed."""

    def _judge(self, loss: float, norm: float, epoch: int, number: int, step: Step) -> None:
        pass
