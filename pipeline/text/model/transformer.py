"""A transformer encoder from nothing; a text is the mean of its last layer.

Source: A. Vaswani et al., Attention is all you need, NeurIPS 2017, with the layers normalised
before each step (R. Xiong et al., On layer normalization in the transformer architecture, 2020).
"""

import math

import torch
from torch import Tensor, nn

from pipeline.text.model.network import TextNetwork, mean


class TransformerNetwork(TextNetwork):
    """Embeddings and sinusoidal positions, layers of attention, mean, one linear layer.

    Args:
        num_pieces: Of the vocabulary.
        padding: The piece that fills texts up.
        max_length: Pieces of the longest text.
        width: Of an embedding and of each layer; the feed-forward layers are four times as wide.
        num_layers: Layers.
        num_heads: Heads of attention.
        dropout: Share of activations dropped while training.
        num_outputs: Classes of a multiclass target, else 1.
    """

    rows_of_like_length = 16
    positions: Tensor

    def __init__(
        self,
        num_pieces: int,
        padding: int,
        max_length: int,
        width: int,
        num_layers: int,
        num_heads: int,
        dropout: float,
        num_outputs: int = 1,
    ) -> None:
        super().__init__(padding, width, dropout, num_outputs)
        self.embedding = nn.Embedding(num_pieces, width)
        self.scale = math.sqrt(width)
        nn.init.normal_(self.embedding.weight, std=1 / self.scale)
        self.register_buffer("positions", sinusoids(max_length, width), persistent=False)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width, num_heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, num_layers, nn.LayerNorm(width), enable_nested_tensor=False
        )

    def embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(pieces)
        return embedded

    def read(self, embedded: Tensor, counts: Tensor) -> Tensor:
        placed = embedded * self.scale + self.positions[: embedded.shape[1]]
        states = self.layers(self.dropout(placed), src_key_padding_mask=~counts)
        return mean(states, counts)


def sinusoids(max_length: int, width: int) -> Tensor:
    """A position's sines and cosines, shape (max_length, width); wavelengths 2 pi to 20,000 pi."""
    places = torch.arange(max_length, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    return torch.stack([(places * rates).sin(), (places * rates).cos()], dim=2).flatten(1)
