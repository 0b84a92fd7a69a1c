"""One network fitted again and again, to rows whose labels and weights a reduction chose anew.

Every fit starts from the same weights and is a function of its labels and weights alone. So each
is kept in the checkpoint under their digest, and a training that was killed replays what it had.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.steps import Augment
from pipeline.train.loop.training import passes

if TYPE_CHECKING:
    from torch import Tensor, nn

Bits = NDArray[np.int8]
Floats = NDArray[np.float64]
Curve = list[dict[str, float]]
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Member:
    """A fitted network: its weights on the CPU, and its logits and decisions on training rows."""

    number: int
    weights: "dict[str, Tensor]"
    decisions: Bits


class Learner:
    """Fits members until the budget is spent; then answers with the best one that it has.

    Args:
        network: Any weights; its shape is used.
        start: The weights that every member starts from.
        train: The training rows; their labels and weights are replaced.
        validation: What the curves are measured on, with the true labels.
        settings: Of the loop; the penalty's strength is 0.
        num_epochs: Passes for each member.
        max_members: Members that are fitted at the most.
        checkpoint: Where members are kept.
        tell: Called with each new member's curve, one point per pass.
        augment: What is done to the inputs of a training batch.
        spent: Whether the training's own budget is used up; no member but the first is fitted then,
            and those that are kept already are taken.

    Attributes:
        passes_here: Passes that were made in this process, for members that were not kept already.
    """

    def __init__(
        self,
        network: "nn.Module",
        start: "dict[str, Tensor]",
        train: Part,
        validation: Part,
        settings: LoopSettings,
        num_epochs: int,
        max_members: int,
        checkpoint: Checkpoint,
        tell: Callable[[Curve], None],
        augment: Augment | None = None,
        spent: Callable[[], bool] = lambda: False,
    ) -> None:
        self.network = network
        self.start = start
        self.train = train
        self.validation = validation
        self.settings = settings
        self.num_epochs = num_epochs
        self.max_members = max_members
        self.checkpoint = checkpoint
        self.tell, self.augment, self.spent = tell, augment, spent
        self.members: dict[str, Member] = {}
        self.passes_here = 0

    def fitted(self, labels: Bits, weights: Floats) -> Member:
        """A member with a small weighted error for these labels.

        Args:
            labels: 0 or 1, shape (training rows,).
            weights: At least 0, shape (training rows,); brought to a mean of 1.
        """
        weights = weights / weights.mean()
        digest = hashlib.sha256(labels.tobytes() + weights.tobytes()).hexdigest()[:32]
        if digest in self.members:
            return self.members[digest]
        if len(self.members) == self.max_members:
            return self._nearest(labels, weights)
        kept = Checkpoint(self.checkpoint.folder / digest)
        if state := kept.load():
            tensors, curve = state[0], state[1]["curve"]
        elif self.members and self.spent():
            return self._nearest(labels, weights)
        else:
            tensors, curve = self._fit(labels, weights)
            kept.save(tensors, {"curve": curve})
        self.tell(curve)
        decisions = (self.logits(tensors, self.train) >= 0).astype(np.int8)
        self.members[digest] = Member(len(self.members), tensors, decisions)
        return self.members[digest]

    def _nearest(self, labels: Bits, weights: Floats) -> Member:
        """Of the members that there are, the one with the least weighted error."""
        return min(
            self.members.values(),
            key=lambda member: float(weights[member.decisions != labels].sum()),
        )

    def _fit(self, labels: Bits, weights: Floats) -> "tuple[dict[str, Tensor], Curve]":
        import torch

        self.network.load_state_dict(self.start)
        rows = replace(
            self.train,
            labels=torch.from_numpy(labels.astype(np.float32)),
            weights=torch.from_numpy(weights.astype(np.float32)),
        )
        found = passes(
            self.network,
            rows,
            self.validation,
            self.settings,
            self.num_epochs,
            augment=self.augment,
        )
        self.passes_here += self.num_epochs
        return found

    def logits(self, weights: "dict[str, Tensor]", rows: Part) -> Floats:
        """What the network says of rows with these weights, shape (rows,)."""
        return logits_of(self.network, weights, rows)


def logits_of(network: Any, weights: "dict[str, Tensor]", rows: Part) -> Floats:
    """Logits of a network with these weights, shape (rows,)."""
    import torch

    network.load_state_dict(weights)
    network.eval()
    device = next(network.parameters()).device
    size = min(ROWS_AT_ONCE, getattr(network, "rows_at_once", ROWS_AT_ONCE))
    found = []
    with torch.inference_mode():
        for start in range(0, rows.num_rows, size):
            chunk = rows.take(slice(start, start + size)).to(device)
            found.append(network(*chunk.inputs).double().cpu().numpy())
    return np.concatenate(found)
