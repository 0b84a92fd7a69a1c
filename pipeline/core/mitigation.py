"""Mitigation in the loss: a penalty on the spread of selection rates between groups.

The sensitive columns are used here, while training, and nowhere in the model.
"""

from typing import TYPE_CHECKING

import polars as pl
from pydantic import Field

from pipeline.core.project import Frozen

if TYPE_CHECKING:
    from torch import Tensor


class Mitigation(Frozen):
    strength: float = Field(0.0, ge=0)
    """Weight of the penalty beside the log loss; 0 trains without mitigation."""
    columns: tuple[str, ...] | None = None
    """The sensitive columns whose gaps are penalised; all of them when not named."""
    sharpness: float = Field(2.0, gt=0)
    """Slope of the soft decision: the larger, the nearer to a threshold at probability 0.5."""


def memberships(table: pl.DataFrame, columns: tuple[str, ...]) -> "Tensor":
    """A float32 column per group of each sensitive column, shape (rows, groups): 1 for members.

    A missing value belongs to no group.
    """
    import torch

    indicators = [
        (table[column] == level).fill_null(False).cast(pl.Float32).to_numpy(writable=True)
        for column in columns
        for level in table[column].drop_nulls().unique().sort().to_list()
    ]
    if not indicators:
        return torch.zeros((table.height, 0))
    return torch.stack([torch.from_numpy(indicator) for indicator in indicators], dim=1)


def selection_rate_spread(logits: "Tensor", members: "Tensor", sharpness: float) -> "Tensor":
    """How much of the variance of soft decisions lies between groups; differentiable, a scalar.

    With soft decisions s = sigmoid(sharpness · logit), overall rate r, and in group g the rate r_g
    and the share p_g: sum over all groups of all columns of p_g (r_g - r)² / (r (1 - r)). For two
    groups this is the squared correlation of decision and group, so it is 0 where rates are equal;
    weighting by share keeps a small group's noise in a batch from steering the model. The form
    follows T. Kamishima et al., Fairness-aware classifier with prejudice remover regularizer,
    ECML 2012, with the correlation in the place of mutual information.

    Args:
        logits: Shape (rows,).
        members: Shape (rows, groups), from `memberships`.
        sharpness: See `Mitigation`.
    """
    soft = (sharpness * logits).sigmoid()
    overall = soft.mean()
    size = members.sum(dim=0)
    rate = (soft.unsqueeze(1) * members).sum(dim=0) / size.clamp(min=1)
    between = (size / len(soft) * (rate - overall) ** 2).sum()
    return between / (overall * (1 - overall)).clamp(min=1e-6)
