"""A network of five neurons and a few hundred rows, for what trains."""

from typing import Any

import torch
from torch import nn

from pipeline.train.loop.batches import Part
from pipeline.train.loop.settings import LoopSettings

SETTINGS = LoopSettings(seed=5, max_epochs=6, batch_size=32, learning_rate=0.02, patience=6)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(0.3), nn.Linear(5, 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layers(rows).squeeze(1)  # type: ignore[no-any-return]


def network() -> Network:
    torch.manual_seed(0)
    return Network()


def plain_network() -> Network:
    """Without dropout, for what is compared with a plain loop."""
    found = network()
    found.layers[2] = nn.Identity()
    return found


def part(num: int, seed: int) -> Part:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(num, 3, generator=generator)
    member = (torch.rand(num, generator=generator) < 0.5).float()
    score = rows[:, 0] + 2 * member - 1
    labels = (score > 0.7 * torch.randn(num, generator=generator)).float()
    rows[:, 1] = member + 0.3 * rows[:, 1]  # lets the network see the group
    weights = 0.5 + torch.rand(num, generator=generator)
    return Part((rows,), labels, weights, torch.stack([member, 1 - member], dim=1))


TRAIN, VALIDATION = part(210, 1), part(100, 2)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
