"""Networks of one shape as one network: a mixture, whose probability is the mean of theirs."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Mixture(nn.Module):
    """Networks with one output each; the mixture's probability is the weighted mean of theirs.

    Args:
        members: The networks.
        mixture: Their weights: positive, with the sum 1.
    """

    log_mixture: Tensor

    def __init__(self, members: Sequence[nn.Module], mixture: list[float]) -> None:
        super().__init__()
        if min(mixture, default=0) <= 0 or abs(sum(mixture) - 1) > 1e-6:
            raise ValueError(f"expected positive weights with the sum 1, got {mixture}")
        self.members = nn.ModuleList(members)
        self.register_buffer("log_mixture", torch.tensor(mixture).log(), persistent=False)

    def mixed(self, each: list[Tensor]) -> Tensor:
        """The logit of the mean probability, without the probability, which would round to 1.

        Args:
            each: Every member's logits, shape (rows,).
        """
        logits = torch.stack(each, dim=1)
        positive, negative = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
        above = (positive + self.log_mixture).logsumexp(1)
        return above - (negative + self.log_mixture).logsumexp(1)


class Ensemble(Mixture):
    """A mixture that takes what each of its networks takes."""

    def __init__(self, members: list[Any], mixture: list[float]) -> None:
        super().__init__(members, mixture)
        self.rows_at_once = members[0].rows_at_once

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits, shape (rows,)."""
        return self.mixed([member(*inputs) for member in self.members])
