"""The steps of training: one network, its optimizer, and the processes and device they are on.

Each epoch is a function of the state before it, the seed and its number. What is done here is the
same for one process and for many, which Lightning Fabric finds from what torch's launcher says.
"""

import math
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.core.batches import Part, Share, Step
from pipeline.core.loop_settings import LoopSettings
from pipeline.core.objective import objective
from pipeline.core.training_state import load_optimizer, optimizer_state, under

if TYPE_CHECKING:
    from torch import Tensor, nn

Augment = Callable[["tuple[Tensor, ...]"], "tuple[Tensor, ...]"]
PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}


class Loop:
    """A network in training.

    Args:
        network: With the weights to start from; it is moved to the device.
        settings: Of the loop.
        num_rows: Training rows, which with `max_epochs` say how long the schedule is.
        augment: What is done to the inputs of a training batch, on its device.
    """

    def __init__(
        self,
        network: "nn.Module",
        settings: LoopSettings,
        num_rows: int,
        augment: Augment | None = None,
    ) -> None:
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic products
        torch.use_deterministic_algorithms(settings.deterministic)
        torch.set_num_threads(settings.num_threads)
        self.settings, self.augment = settings, augment
        self.steps_per_epoch = math.ceil(num_rows / (settings.batch_size * settings.accumulate))
        self.fabric = _fabric(settings)
        self.device = self.fabric.device
        self.share = Share(self.fabric.global_rank, self.fabric.world_size)
        optimizer = _optimizer(network, settings)
        self.network, self.optimizer = self.fabric.setup(network, optimizer)
        self.forward = torch.compile(self.network) if settings.compile else self.network
        self.total = torch.zeros((), device=self.device)
        self.num_rows = 0

    def epoch(
        self, train: Part, epoch: int, first: int = 0, random: "dict[str, Tensor] | None" = None
    ) -> Iterator[Step]:
        """Make the steps of an epoch from number `first` on; yields after each one.

        Args:
            train: On this device.
            epoch: Counted from 1.
            first: Steps of this epoch that are made already.
            random: Where the random numbers stood after these, if there are any.
        """
        import torch

        seed = self.settings.seed * 1_000_003 + epoch
        torch.manual_seed(seed)
        steps = train.steps(self.settings.batch_size, self.settings.accumulate, first, self.share)
        if not first:
            self.total, self.num_rows = torch.zeros((), device=self.device), 0
        self.network.train()
        for number, step in enumerate(steps, first):
            if number == first and first and random:  # once the order is drawn
                self.set_random(random)
            self._set_learning_rate((epoch - 1) * self.steps_per_epoch + number)
            self._step(step)
            yield step

    def _step(self, step: Step) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        for piece in step.pieces:
            is_last = piece is step.pieces[-1]
            inputs = piece.rows.inputs if self.augment is None else self.augment(piece.rows.inputs)
            with self.fabric.no_backward_sync(self.network, enabled=not is_last):
                loss = objective(self.forward(*inputs), piece.rows, self.settings.mitigation)
                self.fabric.backward(loss if piece.weight == 1 else loss * piece.weight)
            self.total += loss.detach() * piece.num_rows
            self.num_rows += piece.num_rows
        if self.settings.max_gradient_norm is not None:
            self.fabric.clip_gradients(
                self.network,
                self.optimizer,
                max_norm=self.settings.max_gradient_norm,
                error_if_nonfinite=False,
            )
        self.optimizer.step()

    def _set_learning_rate(self, number: int) -> None:
        if self.settings.schedule == "constant" and self.settings.warmup_share == 0:
            return
        rate = self.settings.learning_rate * schedule_factor(
            self.settings, number, self.settings.max_epochs * self.steps_per_epoch
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def train_loss(self) -> float:
        """The mean objective per row of the steps made in this epoch, of all processes."""
        import torch

        sums = torch.stack([self.total.double(), self.total.new_tensor(self.num_rows).double()])
        total, num_rows = self.fabric.all_reduce(sums, reduce_op="sum").tolist()
        return float(total / num_rows)

    def state(self) -> "dict[str, Tensor]":
        """Network, optimizer, random numbers and the epoch's sums, as tensors."""
        import torch

        found = {f"network/{name}": one for name, one in self.network.state_dict().items()}
        found |= {f"optimizer/{name}": x for name, x in optimizer_state(self.optimizer).items()}
        found |= {f"random/{name}": one for name, one in self.random().items()}
        return found | {"total": self.total, "num_rows": torch.tensor(self.num_rows)}

    def restore(self, state: "dict[str, Tensor]") -> "dict[str, Tensor]":
        """Go on from a state; returns where the random numbers stood."""
        self.network.load_state_dict(under("network/", state))
        load_optimizer(self.optimizer, under("optimizer/", state))
        self.total = state["total"].to(self.device)
        self.num_rows = int(state["num_rows"])
        return under("random/", state)

    def random(self) -> "dict[str, Tensor]":
        """Where torch's random numbers stand, on the CPU and on the device."""
        import torch

        found = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            found["cuda"] = torch.cuda.get_rng_state(self.device)
        return found

    def set_random(self, state: "dict[str, Tensor]") -> None:
        """Put back what `random` gave."""
        import torch

        torch.set_rng_state(state["cpu"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)


def schedule_factor(settings: LoopSettings, number: int, total: int) -> float:
    """Of the largest step size, at optimizer step `number`, counted from 0, of `total`."""
    warmup = round(settings.warmup_share * total)
    if number < warmup:
        return (number + 1) / warmup
    done = (number - warmup) / max(total - warmup, 1)
    if settings.schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 1 - done if settings.schedule == "linear" else 1.0


def precision_of(settings: LoopSettings) -> str:
    """The precision that training has on this machine: fp32 or bf16."""
    import torch

    if settings.precision != "auto":
        return settings.precision
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"


def _fabric(settings: LoopSettings) -> Any:
    """Fabric, launched: alone, or one of the processes that torch's launcher started."""
    from lightning_fabric import Fabric

    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator="auto",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        precision=PRECISIONS[precision_of(settings)],
    )
    fabric.launch()
    return fabric


def _optimizer(network: "nn.Module", settings: LoopSettings) -> Any:
    """Of the parameters that are trained."""
    import torch

    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[settings.optimizer](
        [one for one in network.parameters() if one.requires_grad],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
