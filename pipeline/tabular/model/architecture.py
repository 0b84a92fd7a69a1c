"""The tabular network: piecewise linear codes and embeddings, then a multilayer perceptron."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.core.prediction.ensemble import Mixture
from pipeline.tabular.model.encoding import MISSING_POSITION, Encoder
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
        """Outputs from positions and embeddings; attribution starts here: both have gradients.

        A missing number, -1 - m, has no presence and the codes of m, its column's median.
        """
        present = (positions - MISSING_POSITION).clamp(0, 1)
        filled = (MISSING_POSITION - positions).clamp(min=0)
        effective = torch.where(positions >= 0, positions, filled)
        codes = (effective.unsqueeze(2) - self.bins).clamp(0, 1).flatten(1)
        outputs: Tensor = self.layers(torch.cat([codes, present, *embedded], dim=1))
        return outputs.squeeze(1)  # which leaves the logits of several classes as they are


class TabularEnsemble(Mixture):
    """Networks of tables as one, which attribution can enter behind the embeddings."""

    def forward(self, positions: Tensor, levels: Tensor) -> Tensor:
        """Logits, shape (rows,), from positions (rows, numbers) and levels (rows, categories)."""
        return self.from_embedded(positions, *self.embed(levels))

    def embed(self, levels: Tensor) -> tuple[Tensor, ...]:
        """Of each categorical column the members' embeddings side by side, (rows, all widths)."""
        embedded = [member.embed(levels) for member in self.members]  # type: ignore[operator]
        return tuple(torch.cat(column, dim=1) for column in zip(*embedded, strict=True))

    def from_embedded(self, positions: Tensor, *embedded: Tensor) -> Tensor:
        """Logits from positions and all members' embeddings."""
        each = [column.chunk(len(self.members), dim=1) for column in embedded]
        return self.mixed(
            [
                member.from_embedded(positions, *(column[i] for column in each))  # type: ignore[operator]
                for i, member in enumerate(self.members)
            ]
        )


def architecture(
    encoder: Encoder, settings: NetworkSettings, num_outputs: int = 1
) -> dict[str, Any]:
    """What `build` needs, as plain data: the content of `model.json`."""
    plain = {**encoder.architecture(), **settings.model_dump(mode="json")}
    return plain if num_outputs == 1 else {**plain, "num_outputs": num_outputs}


def mixed(architecture: dict[str, Any], mixture: tuple[float, ...]) -> dict[str, Any]:
    """The architecture of an ensemble of such networks; of one network where nothing is mixed."""
    return {**architecture, "mixture": list(mixture)} if mixture else architecture


def build(architecture: dict[str, Any]) -> TabularNetwork | TabularEnsemble:
    """The network, or the ensemble, that `model.json` describes, with fresh weights."""
    single = {name: value for name, value in architecture.items() if name != "mixture"}
    if "mixture" not in architecture:
        return TabularNetwork(**single)
    mixture = architecture["mixture"]
    return TabularEnsemble([TabularNetwork(**single) for _ in mixture], mixture)
