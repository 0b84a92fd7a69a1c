"""What training makes small, by task: the loss of single rows, and the spread between groups."""

from typing import TYPE_CHECKING

from pipeline.core.settings.columns import Task
from pipeline.train.loop.constraints import LABELS_OF
from pipeline.train.loop.penalty import Mitigation, selection_rate_spread

if TYPE_CHECKING:
    from torch import Tensor

LOSSES: dict[Task, str] = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "squared_error",
}
"""What the loss without a penalty is called, after `validation_`, in the training's curves."""


def mean_loss(task: Task, outputs: "Tensor", targets: "Tensor", weights: "Tensor") -> "Tensor":
    """The weighted mean of the rows' losses: log loss or, of a regression, squared error.

    Args:
        task: The project's.
        outputs: Of the network, shape (rows,); of several classes, (rows, classes).
        targets: From `Outcome.encoded`, shape (rows,).
        weights: Of mean 1, shape (rows,).
    """
    from torch.nn import functional

    if task == "binary":
        return functional.binary_cross_entropy_with_logits(outputs, targets, weights)
    if task == "multiclass":
        return (functional.cross_entropy(outputs, targets, reduction="none") * weights).mean()
    return ((outputs - targets).square() * weights).mean()


def penalised_spread(
    task: Task, outputs: "Tensor", targets: "Tensor", members: "Tensor", mitigation: Mitigation
) -> "Tensor":
    """What the penalty makes small: `group_spread`, of the rows that the constraint compares.

    Of all rows for demographic parity; of those with the outcome for true positive rates, of those
    without it for false positive rates, and the mean of these two for equalized odds. A batch
    without such rows counts 0.
    """
    if mitigation.constraint == "demographic_parity":
        return group_spread(task, outputs, members, mitigation.sharpness)
    labels = LABELS_OF[mitigation.constraint]
    total = outputs.new_zeros(())
    for label in labels:
        rows = targets == label
        if rows.any():
            total = total + group_spread(task, outputs[rows], members[rows], mitigation.sharpness)
    return total / len(labels)


def group_spread(task: Task, outputs: "Tensor", members: "Tensor", sharpness: float) -> "Tensor":
    """How much of the variance of what is decided lies between groups; differentiable, a scalar.

    Of two classes, `selection_rate_spread`. Of several, its mean over the classes, each against the
    rest, with the soft decisions softmax(sharpness · logits). Of a number, the variance of the
    groups' mean predictions, the variance of the target being 1: a squared difference of means, as
    in T. Calders et al., Controlling attribute effect in linear regression, ICDM 2013. (By the
    variance of the predictions, it would have no bounded slope where training starts.)

    Args:
        task: The project's.
        outputs: Of the network, shape (rows,); of several classes, (rows, classes).
        members: Shape (rows, groups), from `memberships`.
        sharpness: See `Mitigation`; of no use for a regression, which decides nothing.
    """
    if task == "binary":
        return selection_rate_spread(outputs, members, sharpness)
    if task == "multiclass":
        soft = (sharpness * outputs).softmax(dim=1)
        overall = soft.mean(dim=0)
        variance = (overall * (1 - overall)).clamp(min=1e-6)
    else:
        soft = outputs.unsqueeze(1)
        overall = soft.mean(dim=0)
        variance = soft.new_ones(1)
    size = members.sum(dim=0)
    means = members.T @ soft / size.clamp(min=1).unsqueeze(1)
    between = (size.unsqueeze(1) / len(soft) * (means - overall) ** 2).sum(dim=0)
    return (between / variance).mean()
