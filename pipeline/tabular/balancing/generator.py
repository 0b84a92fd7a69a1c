"""What every generator of coded rows is, and what they share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.tabular.balancing.discretization import RARE

Ints = NDArray[np.int64]
Draw = Callable[[Ints, int], Ints]
"""From conditions, shape (rows, conditions), and a seed to codes, shape (rows, columns)."""


@dataclass(frozen=True)
class Generator:
    """A fitted generator.

    Attributes:
        draw: Draws rows.
        facts: What it says of its training, for the report.
    """

    draw: Draw
    facts: dict[str, float]


def seeded(seed: int) -> None:
    """One thread of the CPU, deterministic sums: the same seed gives the same rows."""
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)  # soft codes are next to 0 nearly everywhere
    torch.set_num_threads(1)
    torch.manual_seed(seed)


def batches(num_rows: int, size: int) -> list[Tensor]:
    """The numbers of all rows in a new order, in parts of `size`."""
    order = torch.randperm(num_rows)
    return [order[start : start + size] for start in range(0, num_rows, size)]


def embedded(tables: nn.ModuleList, codes: Tensor) -> Tensor:
    """The sum of each column's embedding, shape (rows, width)."""
    return torch.stack([table(codes[:, i]) for i, table in enumerate(tables)]).sum(dim=0)


def seen_codes(codes: Tensor, num_codes: list[int]) -> list[Tensor]:
    """For each column, which codes may be drawn: those of the rows, rare ones only if all are."""
    allowed = []
    for i, num in enumerate(num_codes):
        seen = torch.bincount(codes[:, i], minlength=num) > 0
        if int(seen.sum()) > 1:
            seen[RARE] = False
        allowed.append(seen)
    return allowed
