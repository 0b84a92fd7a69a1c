"""Mitigation during training: its settings, and the penalty on the spread of decisions by group.

The sensitive columns are used here, while training, and nowhere in the model.
"""

from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from pydantic import Field, model_validator

from pipeline.core.dataset.groups import MISSING, levels
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.typed_settings import Frozen

if TYPE_CHECKING:
    from torch import Tensor

Method = Literal["penalty", "exponentiated_gradient", "grid_search", "adversarial"]
Constraint = Literal[
    "demographic_parity",
    "equalized_odds",
    "true_positive_rate_parity",
    "false_positive_rate_parity",
]
OWNERS = {
    "sharpness": ("penalty",),
    "min_group_rows": ("exponentiated_gradient", "grid_search", "adversarial"),
    "reduction": ("exponentiated_gradient", "grid_search"),
    "adversary": ("adversarial",),
}
"""The methods to which a setting belongs."""


OF_ADVERSARY = ("demographic_parity", "equalized_odds")
"""The constraints that Fairlearn's adversarial learner knows."""


class Reduction(Frozen):
    """Of Fairlearn's reductions, which fit one network many times, to rows weighted anew."""

    max_members: int = Field(30, ge=2, json_schema_extra={"unit": "networks"})
    """Networks that are fitted at the most; the grid's size, for `grid_search`. When
    `exponentiated_gradient` has used them up, it goes on over those that it has."""
    epochs: int = Field(3, ge=1)
    """Passes over the training rows for each, from a start that all share."""
    max_iter: int = Field(50, ge=1, json_schema_extra={"unit": "steps"})
    """Steps of `exponentiated_gradient` at the most."""
    difference_bound: float = Field(0.02, ge=0, le=1)
    """The difference between a group's rate and that of all rows that the constraint allows."""
    eps: float = Field(0.5, gt=0, json_schema_extra={"unit": "factor"})
    """1 / eps bounds the sum of `exponentiated_gradient`'s multipliers: what a violation may cost
    beside the error. Fairlearn's 0.01 spends most members on multipliers that no row bears."""
    grid_limit: float = Field(2.0, gt=0, json_schema_extra={"unit": "factor"})
    """The largest multiplier in the grid of `grid_search`, of either sign."""
    constraint_weight: float = Field(0.5, ge=0, le=1)
    """Of the violation, beside the error's 1 - this, by which `grid_search` picks its network."""


class Adversary(Frozen):
    """Of Fairlearn's adversarial learner: a second network that guesses a row's group."""

    alpha: float = Field(0.3, ge=0, json_schema_extra={"unit": "factor"})
    """Weight of the step against the adversary beside that towards the labels."""
    epochs: int = Field(20, ge=1)
    """Passes over the training rows against the adversary, from a network trained without it."""
    hidden: int = Field(32, ge=1, json_schema_extra={"unit": "neurons"})
    """Width of the adversary's hidden layer, in neurons."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """The adversary's step size."""
    constraint_weight: float = Field(0.5, ge=0, le=1)
    """Of the largest difference, beside the error's 1 - this, by which the epoch is chosen."""


class Mitigation(Frozen):
    method: Method = "penalty"
    """How gaps are made smaller while training."""
    constraint: Constraint = "demographic_parity"
    """Which rates of groups are brought together: of decisions, of errors, or of one error."""
    strength: float = Field(0.0, ge=0, json_schema_extra={"unit": "factor"})
    """Weight of the penalty beside the log loss; 0 trains without mitigation."""
    columns: tuple[str, ...] | None = None
    """The sensitive columns whose gaps are made smaller; all of them when not named."""
    min_group_rows: int = Field(200, ge=1)
    """Groups with fewer training rows are joined to one: their rates are mostly noise. (The penalty
    weighs each group by its share instead.)"""
    sharpness: float = Field(2.0, gt=0, json_schema_extra={"unit": "factor"})
    """Slope of the soft decision: the larger, the nearer to a threshold at probability 0.5."""
    reduction: Reduction = Reduction()
    """Of the methods `exponentiated_gradient` and `grid_search`."""

    adversary: Adversary = Adversary()
    """Of the method `adversarial`."""

    @model_validator(mode="after")
    def _settings_of_another_method(self) -> "Mitigation":
        if self.method != "penalty" and self.strength > 0:
            raise ValueError(
                f"expected no `strength` with method {self.method}, got {self.strength:g}: "
                "it is the penalty's weight"
            )
        if self.method == "adversarial" and self.constraint not in OF_ADVERSARY:
            raise ValueError(
                f"expected constraint {' or '.join(OF_ADVERSARY)} with method adversarial, "
                f"got {self.constraint}"
            )
        for name, owners in OWNERS.items():
            if name in self.model_fields_set and self.method not in owners:
                raise ValueError(
                    f"expected no `{name}` with method {self.method}: it belongs to "
                    f"{' and '.join(owners)}"
                )
        return self

    @property
    def max_member_passes(self) -> int:
        """Passes that a method adds at the most: for members, or against an adversary."""
        if self.method == "adversarial":
            return self.adversary.epochs
        has_members = self.method in OWNERS["reduction"]
        return self.reduction.max_members * self.reduction.epochs if has_members else 0

    def in_force(self) -> dict[str, Any]:
        """The settings as plain data, without those of other methods."""
        others = {name for name, owners in OWNERS.items() if self.method not in owners}
        return self.model_dump(mode="json", exclude=others)


def memberships(table: pl.DataFrame, names: tuple[str, ...], columns: Columns) -> "Tensor":
    """A float32 column per group of each sensitive column, shape (rows, groups): 1 for members.

    Groups are those of `pipeline.core.dataset.groups`; a missing value belongs to none.
    """
    import torch

    indicators = [
        (values == level).cast(pl.Float32).to_numpy(writable=True)
        for values in (levels(table, name, columns) for name in names)
        for level in values.unique().sort().to_list()
        if level != MISSING
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
