"""What training makes small, and its value on validation rows."""

from typing import TYPE_CHECKING, Any

from pipeline.train.loop.batches import Part
from pipeline.train.loop.losses import LOSSES, mean_loss, penalised_spread
from pipeline.train.loop.penalty import Mitigation

if TYPE_CHECKING:
    from torch import Tensor


def objective(outputs: "Tensor", part: Part, mitigation: Mitigation) -> "Tensor":
    """Weighted mean loss plus the penalty, a scalar."""
    loss = mean_loss(part.task, outputs, part.labels, part.weights)
    if mitigation.strength == 0:
        return loss
    spread = penalised_spread(part.task, outputs, part.labels, part.members, mitigation)
    return loss + mitigation.strength * spread


def evaluate(network: Any, part: Part, mitigation: Mitigation) -> dict[str, float]:
    """The objective on validation rows, and its two parts."""
    import torch

    with torch.inference_mode():
        outputs = outputs_of(network, part)
        whole = objective(outputs, part, mitigation)
        loss = objective(outputs, part, Mitigation())
        spread = penalised_spread(part.task, outputs, part.labels, part.members, mitigation)
    return {
        "validation_loss": round(float(whole), 6),
        f"validation_{LOSSES[part.task]}": round(float(loss), 6),
        "validation_spread": round(float(spread), 6),
    }


def outputs_of(network: Any, part: Part) -> "Tensor":
    """The network's outputs for all rows, without gradients.

    They go through it at once, or as many at a time as its attribute `rows_at_once` says.
    """
    import torch

    network.eval()
    size = getattr(network, "rows_at_once", part.num_rows) or 1
    with torch.inference_mode():
        if size >= part.num_rows:
            outputs: Tensor = network(*part.inputs)
            return outputs
        starts = range(0, part.num_rows, size)
        pieces = [[values[at : at + size] for values in part.inputs] for at in starts]
        return torch.cat([network(*piece) for piece in pieces])
