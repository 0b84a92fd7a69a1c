"""The tabular network: piecewise linear codes and embeddings, then a multilayer perceptron."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.tabular.encoding import MISSING_POSITION, Encoder
from pipeline.tabular.settings import NetworkSettings


class TabularNetwork(nn.Module):
    """From encoded rows to one output each, or to one per class.

    Args:
        num_bins: Bins of each numeric column.
        num_levels: Rows of each categorical column's embedding.
        hidden: Widths of the hidden layers.
        dropout: Share of activations dropped while training.
        embedding_width: Upper limit of an embedding's width.
        num_outputs: Classes of a multiclass target, else 1.
    """

    bins: Tensor

    def __init__(
        self,
        num_bins: list[int],
        num_levels: list[int],
        hidden: list[int],
        dropout: float,
        embedding_width: int,
        num_outputs: int = 1,
    ) -> None:
        super().__init__()
        self.register_buffer("bins", torch.arange(max(num_bins, default=1)), persistent=False)
        widths = [min(embedding_width, (levels + 1) // 2) for levels in num_levels]
        self.embeddings = nn.ModuleList(
            nn.Embedding(levels, width) for levels, width in zip(num_levels, widths, strict=True)
        )
        layers: list[nn.Module] = []
        incoming = len(num_bins) * (len(self.bins) + 1) + sum(widths)
        for outgoing in hidden:
            layers += [nn.Linear(incoming, outgoing), nn.ReLU(), nn.Dropout(dropout)]
            incoming = outgoing
        self.layers = nn.Sequential(*layers, nn.Linear(incoming, num_outputs))

    def forward(self, positions: Tensor, levels: Tensor) -> Tensor:
        """Outputs, shape (rows,), or (rows, classes) of several, from positions (rows, numbers) and
        levels (rows, categories)."""
        return self.from_embedded(positions, *self.embed(levels))

    def embed(self, levels: Tensor) -> tuple[Tensor, ...]:
        """The embedding of each categorical column, each of shape (rows, its width)."""
        return tuple(table(levels[:, i]) for i, table in enumerate(self.embeddings))

    def from_embedded(self, positions: Tensor, *embedded: Tensor) -> Tensor:
        """Outputs from positions and embeddings; attribution starts here: both have gradients."""
        present = (positions - MISSING_POSITION).clamp(0, 1)
        codes = (positions.unsqueeze(2) - self.bins).clamp(0, 1).flatten(1)
        outputs: Tensor = self.layers(torch.cat([codes, present, *embedded], dim=1))
        return outputs.squeeze(1)  # which leaves the logits of several classes as they are


def architecture(
    encoder: Encoder, settings: NetworkSettings, num_outputs: int = 1
) -> dict[str, Any]:
    """What `build` needs, as plain data: the content of `model.json`."""
    plain = {**encoder.architecture(), **settings.model_dump(mode="json")}
    return plain if num_outputs == 1 else {**plain, "num_outputs": num_outputs}


def build(architecture: dict[str, Any]) -> TabularNetwork:
    """The network that `model.json` describes, with fresh weights."""
    return TabularNetwork(**architecture)
