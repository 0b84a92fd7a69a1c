"""Where a training stands, as tensors and plain data, and what it ends with."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.train.loop.settings import LoopSettings

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Progress:
    """Where a training stands; plain data beside the tensors of a checkpoint.

    Attributes:
        epoch: Whole passes made; one that was cut short counts when training stopped in it.
        step: Optimizer steps made of the next pass.
        num_steps: Optimizer steps made in all.
        best_epoch: The pass whose weights are the best so far.
        best_loss: Their loss on validation rows.
        curve: One point per pass.
        stopped: Why training ended: `patience`, `max_epochs`, or what `watch` said; empty before.
        passes_here: Passes that this process made, those of members and against an adversary
            included; of one that was cut short or begun elsewhere, its part.
    """

    epoch: int = 0
    step: int = 0
    num_steps: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    curve: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""
    passes_here: float = field(default=0.0, compare=False)

    def reason_to_stop(self, settings: LoopSettings) -> str:
        """Why no further pass is made; empty when one is."""
        if self.stopped or self.epoch >= settings.max_epochs:
            return self.stopped or "max_epochs"
        return "patience" if self.epoch - self.best_epoch >= settings.patience else ""


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


def copy_of(network: Any) -> "dict[str, Tensor]":
    """A network's state now, on its device."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def optimizer_state(optimizer: Any) -> "dict[str, Tensor]":
    """What an optimizer remembers of each parameter, by the parameter's number and a name."""
    return {
        f"{index}/{name}": value
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def load_optimizer(optimizer: Any, state: "dict[str, Tensor]") -> None:
    """Put back what `optimizer_state` gave, laid out in memory as the parameters are: a fused
    optimizer goes through both in one order."""
    import torch

    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    moments: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        index, name = key.split("/", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def under(prefix: str, tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """The tensors whose names begin so, without the prefix."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
