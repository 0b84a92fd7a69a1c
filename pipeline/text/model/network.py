"""What every network of texts does: reads a batch as far as its longest text, then decides."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.core.prediction.ensemble import Mixture


class TextNetwork(nn.Module):
    """From word pieces to one output each, or to one per class; subclasses say how it reads.

    A subclass has `embed`, pieces (rows, length) to embeddings (rows, length, width), and `read`,
    which makes of embeddings and of what counts among them one vector for each text.

    Args:
        padding: The piece that fills texts up at their end.
        width: Of a text's vector.
        dropout: Share of a vector's values dropped while training.
        num_outputs: Classes of a multiclass target, else 1.
    """

    rows_at_once = 64
    """In one pass without gradients, so that memory is bounded."""
    rows_counted = 32
    """Whose arithmetic stands for all rows': texts differ in length."""
    rows_of_like_length: int | None = None
    """How many rows go together on a CPU, shortest first, so that less padding is read; None: all.
    """

    def __init__(self, padding: int, width: int, dropout: float, num_outputs: int) -> None:
        super().__init__()
        self.padding = padding
        self.decide = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_outputs))

    def forward(self, pieces: Tensor) -> Tensor:
        """Outputs, shape (rows,), or (rows, classes) of several, from pieces (rows, max_length)."""
        size = self.rows_of_like_length
        if size is None or pieces.device.type != "cpu" or len(pieces) <= size:
            return self._together(pieces)
        order = (pieces != self.padding).sum(dim=1).argsort(stable=True)
        outputs = [self._together(pieces[rows]) for rows in torch.split(order, size)]
        return torch.cat(outputs)[order.argsort()]

    def _together(self, pieces: Tensor) -> Tensor:
        pieces = pieces[:, : longest(pieces, self.padding)]
        return self.from_embedded(self.embed(pieces), counted(pieces, self.padding))

    def from_embedded(self, embedded: Tensor, counts: Tensor) -> Tensor:
        """Outputs from embeddings; attribution starts here: it has gradients."""
        outputs: Tensor = self.decide(self.read(embedded, counts))
        return outputs.squeeze(1)  # which leaves the logits of several classes as they are

    def embed(self, pieces: Tensor) -> Tensor:
        raise NotImplementedError

    def read(self, embedded: Tensor, counts: Tensor) -> Tensor:
        raise NotImplementedError


def longest(pieces: Tensor, padding: int) -> int:
    """Pieces of the longest text, at least 1."""
    places = (pieces != padding).any(dim=0).nonzero()
    return int(places[-1]) + 1 if len(places) else 1


def counted(pieces: Tensor, padding: int) -> Tensor:
    """Which pieces count, bool, shape (rows, length): all but padding. Of an empty text its first
    padding does, so that there is something to read."""
    counts = pieces != padding
    counts[:, 0] = True
    return counts


def mean(values: Tensor, counts: Tensor) -> Tensor:
    """The mean of the vectors that count, shape (rows, width), from (rows, length, width)."""
    share: Tensor = counts.unsqueeze(2).to(values.dtype)
    return (values * share).sum(dim=1) / share.sum(dim=1)


class TextEnsemble(Mixture):
    """Networks of texts as one, which attribution can enter behind the embeddings."""

    def __init__(self, members: list[TextNetwork], mixture: list[float]) -> None:
        super().__init__(members, mixture)
        self.padding, self.rows_at_once = members[0].padding, members[0].rows_at_once
        self.rows_counted = members[0].rows_counted

    def forward(self, pieces: Tensor) -> Tensor:
        """Logits, shape (rows,), from pieces (rows, max_length)."""
        pieces = pieces[:, : longest(pieces, self.padding)]
        return self.from_embedded(self.embed(pieces), counted(pieces, self.padding))

    def embed(self, pieces: Tensor) -> Tensor:
        """The members' embeddings side by side, (rows, length, all widths)."""
        return torch.cat([self._member(i).embed(pieces) for i in range(len(self.members))], dim=2)

    def from_embedded(self, embedded: Tensor, counts: Tensor) -> Tensor:
        """Logits from all members' embeddings."""
        each = embedded.chunk(len(self.members), dim=2)
        return self.mixed(
            [self._member(i).from_embedded(one, counts) for i, one in enumerate(each)]
        )

    def _member(self, index: int) -> Any:
        return self.members[index]
