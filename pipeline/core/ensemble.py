"""Networks of one shape as one network."""

from typing import Any

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Networks with one output each; its probability is the weighted mean of theirs.

    Args:
        members: The networks.
        mixture: Their weights: positive, with the sum 1.
    """

    log_mixture: Tensor

    def __init__(self, members: list[Any], mixture: list[float]) -> None:
        super().__init__()
        if min(mixture, default=0) <= 0 or abs(sum(mixture) - 1) > 1e-6:
            raise ValueError(f"expected positive weights with the sum 1, got {mixture}")
        self.members = nn.ModuleList(members)
        self.rows_at_once = members[0].rows_at_once
        self.register_buffer("log_mixture", torch.tensor(mixture).log(), persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The logit of the mean probability, without the probability, which would round to 1."""
        logits = torch.stack([member(*inputs) for member in self.members], dim=1)
        positive, negative = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
        above = (positive + self.log_mixture).logsumexp(1)
        return above - (negative + self.log_mixture).logsumexp(1)
