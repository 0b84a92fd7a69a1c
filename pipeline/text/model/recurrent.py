"""LSTM and GRU, read in both directions; a text is the mean of the states at its pieces.

Sources: S. Hochreiter, J. Schmidhuber, Long short-term memory, 1997; K. Cho et al., Learning phrase
representations using RNN encoder-decoder, EMNLP 2014.
"""

import torch
from torch import Tensor, nn

from pipeline.text.model.network import TextNetwork, mean

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(TextNetwork):
    """Embeddings, recurrent layers, mean, one linear layer.

    A layer is two networks of one direction, the second on texts that are turned round: torch's
    packed sequences, which read the same, take five times as long on a CPU.

    Args:
        kind: `lstm` or `gru`.
        num_pieces: Of the vocabulary.
        padding: The piece that fills texts up.
        width: Of an embedding, and of the state in each direction.
        num_layers: Recurrent layers.
        dropout: Share of activations dropped while training.
        num_outputs: Classes of a multiclass target, else 1.
    """

    rows_at_once = 256

    def __init__(
        self,
        kind: str,
        num_pieces: int,
        padding: int,
        width: int,
        num_layers: int,
        dropout: float,
        num_outputs: int = 1,
    ) -> None:
        super().__init__(padding, 2 * width, dropout, num_outputs)
        self.embedding = nn.Embedding(num_pieces, width)
        self.dropout = nn.Dropout(dropout)
        incoming = [width] + [2 * width] * (num_layers - 1)
        self.forwards = nn.ModuleList(KINDS[kind](n, width, batch_first=True) for n in incoming)
        self.backwards = nn.ModuleList(KINDS[kind](n, width, batch_first=True) for n in incoming)

    def embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(pieces)
        return embedded

    def read(self, embedded: Tensor, counts: Tensor) -> Tensor:
        turned = turned_places(counts)
        states = embedded
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            states = self.dropout(states)
            ahead, back = forwards(states)[0], backwards(taken(states, turned))[0]
            states = torch.cat([ahead, taken(back, turned)], dim=2)
        return mean(states, counts)


def turned_places(counts: Tensor) -> Tensor:
    """Where each place of a text lies when the text is turned round and its padding stays at the
    end; shape (rows, length)."""
    places = torch.arange(counts.shape[1], device=counts.device)
    mirrored = counts.sum(dim=1, keepdim=True) - 1 - places
    return torch.where(mirrored >= 0, mirrored, places)


def taken(values: Tensor, places: Tensor) -> Tensor:
    """Vectors (rows, length, width) in the order of places (rows, length)."""
    return values.gather(1, places.unsqueeze(2).expand(-1, -1, values.shape[2]))
