"""The steps of training: one network, its optimizer, and the processes and device they are on.

Each epoch is a function of the state before it, the seed and its number. What is done here is the
same for one process and for many, which Lightning Fabric finds from what torch's launcher says.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import ProjectError
from pipeline.train.loop.batches import Part, Share, Step
from pipeline.train.loop.guard import Guard
from pipeline.train.loop.objective import objective
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.state import load_optimizer, optimizer_state, under

if TYPE_CHECKING:
    from torch import Tensor, nn

Augment = Callable[["tuple[Tensor, ...]"], "tuple[Tensor, ...]"]
AGREE_EVERY = 16
"""Optimizer steps between two moments at which several processes hear the first one's word."""
FUSED_FROM = 100_000
"""Parameters from which one kernel moves them all, which is faster and rounds in another way."""
OWN_SEED = 2**53
"""Beyond any seed of an epoch."""
PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}


class Loop:
    """A network in training.

    Args:
        network: With the weights to start from; it is moved to the device.
        train: The rows to learn from; they are, too.
        settings: Of the loop.
        augment: What is done to the inputs of a training batch, on its device.
    """

    def __init__(
        self,
        network: "nn.Module",
        train: Part,
        settings: LoopSettings,
        augment: Augment | None = None,
    ) -> None:
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic products
        torch.use_deterministic_algorithms(settings.deterministic)
        torch.set_num_threads(settings.num_threads)
        self.settings, self.augment = settings, augment
        self.fabric = _fabric(settings)
        self.device = self.fabric.device
        self.share = Share(self.fabric.global_rank, self.fabric.world_size)
        _refuse_divided_groups(settings, self.share.world)
        self.train = train.to(self.device)
        size = settings.batch_size * settings.accumulate
        self.steps_per_epoch = math.ceil(train.num_rows / size)
        if any(isinstance(one, torch.nn.Conv2d) for one in network.modules()):
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.trained = [one for one in network.parameters() if one.requires_grad]
        optimizer = _optimizer(self.trained, settings)
        self.network, self.optimizer = self.fabric.setup(network, optimizer)
        self.guard = Guard(settings, train)
        self.forward = torch.compile(self.network) if settings.compile else self.network
        self.total = torch.zeros((), device=self.device)
        self.num_rows = 0

    def epoch(
        self, epoch: int, first: int = 0, random: "dict[str, Tensor] | None" = None
    ) -> Iterator[None]:
        """Make the steps of an epoch from number `first` on; yields after each one.

        Args:
            epoch: Counted from 1.
            first: Steps of this epoch that are made already.
            random: Where the random numbers stood after these, if there are any.

        Raises:
            TrainingDiverged: a step's loss or gradient is not finite, or the gradient explodes.
        """
        import torch

        seed = self.settings.seed * 1_000_003 + epoch
        torch.manual_seed(seed)
        if not first:
            self.total, self.num_rows = torch.zeros((), device=self.device), 0
        self.network.train()
        size, accumulate = self.settings.batch_size, self.settings.accumulate
        for number, step in enumerate(self.train.steps(size, accumulate, first, self.share), first):
            if number == first:  # the order is drawn, in all processes the same
                self._own_random(seed, random if first else None)
            self._set_learning_rate((epoch - 1) * self.steps_per_epoch + number)
            loss, norm = self._step(step)
            self.guard.add(loss, norm, epoch, number + 1, step)
            yield
        self.guard.look()

    def _step(self, step: Step) -> "tuple[Tensor, Tensor]":
        """Move the weights once; returns the loss and the gradient's norm, on the device."""
        from torch.nn.utils import clip_grads_with_norm_, get_total_norm

        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for piece in step.pieces:
            is_last = piece is step.pieces[-1]
            inputs = piece.rows.inputs if self.augment is None else self.augment(piece.rows.inputs)
            with self.fabric.no_backward_sync(self.network, enabled=not is_last):
                loss = objective(self.forward(*inputs), piece.rows, self.settings.mitigation)
                losses.append(loss if piece.weight == 1 else loss * piece.weight)
                self.fabric.backward(losses[-1])
            self.total += loss.detach() * piece.num_rows
            self.num_rows += piece.num_rows
        norm = get_total_norm([one.grad for one in self.trained if one.grad is not None])
        if self.settings.max_gradient_norm is not None:
            clip_grads_with_norm_(self.trained, self.settings.max_gradient_norm, norm)
        self.optimizer.step()
        return sum(losses[1:], losses[0]).detach(), norm

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

        sums = torch.stack([self.total, self.total.new_tensor(self.num_rows)])
        total, num_rows = self.fabric.all_reduce(sums, reduce_op="sum").tolist()
        return float(total / num_rows)

    def agreed(self, word: str, number: int) -> str:
        """What the first process says at step `number`; of many, only every few steps."""
        if self.share.world > 1 and number % AGREE_EVERY:
            return ""
        found: str = self.fabric.broadcast(word)
        return found

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files and lines."""
        return self.share.rank == 0

    def state(self) -> "dict[str, Tensor]":
        """Network, optimizer, random numbers of all processes, and sums; all must ask for it.

        Raises:
            TrainingDiverged: a step since the last look went wrong.
        """
        import torch

        norms = self.guard.state()
        found = {f"network/{name}": one for name, one in self.network.state_dict().items()}
        found |= {f"optimizer/{name}": x for name, x in optimizer_state(self.optimizer).items()}
        for name, one in self._random().items():
            found[f"random/{name}"] = self.fabric.all_gather(one).reshape(-1, len(one))
        return found | {
            "total": self.total,
            "num_rows": torch.tensor(self.num_rows),
            "norms": norms,
        }

    def restore(self, state: "dict[str, Tensor]") -> "dict[str, Tensor]":
        """Go on from a state; returns where this process's random numbers stood."""
        self.network.load_state_dict(under("network/", state))
        load_optimizer(self.optimizer, under("optimizer/", state))
        self.total = state["total"].to(self.device)
        self.num_rows = int(state["num_rows"])
        self.guard.restore(state["norms"])
        stood = under("random/", state)
        return {name: of_all[self.share.rank % len(of_all)] for name, of_all in stood.items()}

    def _random(self) -> "dict[str, Tensor]":
        """Where torch's random numbers stand, on the CPU and on another device."""
        import torch

        found = {"cpu": torch.get_rng_state()}
        if self.device.type != "cpu":
            found["device"] = torch.get_device_module(self.device).get_rng_state()
        return found

    def _own_random(self, seed: int, stood: "dict[str, Tensor] | None") -> None:
        """Go on with this process's random numbers: from where they stood, else from the seed."""
        import torch

        if stood is None:
            if self.share.rank:
                torch.manual_seed(seed + self.share.rank * OWN_SEED)
            return
        torch.set_rng_state(stood["cpu"])
        if "device" in stood:
            torch.get_device_module(self.device).set_rng_state(stood["device"])


def schedule_factor(settings: LoopSettings, number: int, total: int) -> float:
    """Of the largest step size, at optimizer step `number`, counted from 0, of `total`."""
    warmup = round(settings.warmup_share * total)
    if number < warmup:
        return (number + 1) / warmup
    done = min((number - warmup) / max(total - warmup, 1), 1.0)  # timed steps may go past the last
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

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # each time, it says how
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator="auto",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        precision=PRECISIONS[precision_of(settings)],
    )
    fabric.launch()
    return fabric


def _optimizer(parameters: "list[nn.Parameter]", settings: LoopSettings) -> Any:
    import torch

    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[settings.optimizer](
        parameters,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=sum(one.numel() for one in parameters) >= FUSED_FROM or None,
    )


def _refuse_divided_groups(settings: LoopSettings, world: int) -> None:
    """Refuse a penalty that would compare groups within a process's share of a batch.

    Raises:
        ProjectError: there is a penalty, and there are several processes.
    """
    if settings.mitigation.strength > 0 and world > 1:
        raise ProjectError(
            "train.mitigation.strength: expected one process, as the penalty compares groups "
            f"within a whole batch, got {world}",
            hint="train in one process, or set `train.mitigation.strength: 0`",
        )
