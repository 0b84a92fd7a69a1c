"""From a clean table to arrays. Everything is fitted on training rows; the state is JSON.

A number becomes its position among quantile edges: 2.5 is the middle of the third bin. The network
unfolds positions into piecewise linear codes (Y. Gorishniy et al., On embeddings for numerical
features in tabular deep learning, NeurIPS 2022), which need no scaling and hold outliers at the
outer edges. A level becomes the index of its embedding.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.project import Columns
from pipeline.tabular.settings import EncoderSettings

MISSING_POSITION = -1.0
UNKNOWN_LEVEL, MISSING_LEVEL = 0, 1
NUM_SPECIAL_LEVELS = 2

Inputs = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Encoder:
    """What was fitted: the quantile edges of each number, the known levels of each category."""

    edges: dict[str, list[float]]
    levels: dict[str, list[str]]

    @property
    def columns(self) -> list[str]:
        """The encoded columns in the order of the network's inputs: numbers, then categories."""
        return [*self.edges, *self.levels]

    def encode(self, table: pl.DataFrame) -> Inputs:
        """Positions, float32 of shape (rows, numbers), and levels, int64 of (rows, categories)."""
        rows = table.height
        positions = [_positions(table[name], edges) for name, edges in self.edges.items()]
        indices = [_indices(table[name], known) for name, known in self.levels.items()]
        return (
            np.stack(positions, axis=1) if positions else np.zeros((rows, 0), np.float32),
            np.stack(indices, axis=1) if indices else np.zeros((rows, 0), np.int64),
        )

    def architecture(self) -> dict[str, Any]:
        """What the network must know of the encoding."""
        return {
            "num_bins": [max(len(edges) - 1, 1) for edges in self.edges.values()],
            "num_levels": [len(known) + NUM_SPECIAL_LEVELS for known in self.levels.values()],
        }

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(state: dict[str, Any]) -> "Encoder":
        return Encoder(edges=state["edges"], levels=state["levels"])


def fit(table: pl.DataFrame, columns: Columns, settings: EncoderSettings) -> Encoder:
    """Fit on training rows: quantile edges of each number, frequent enough levels, sorted."""
    return Encoder(
        {name: _edges(table[name], settings.num_bins) for name in columns.numeric},
        {name: _levels(table[name], settings.min_level_count) for name in columns.categorical},
    )


def _edges(values: pl.Series, num_bins: int) -> list[float]:
    number = values.drop_nulls().cast(pl.Float64).to_numpy()
    number = number[np.isfinite(number)]
    if len(number) == 0:
        return [0.0]
    return [float(edge) for edge in np.unique(np.quantile(number, np.linspace(0, 1, num_bins + 1)))]


def _levels(values: pl.Series, min_count: int) -> list[str]:
    counts = values.drop_nulls().cast(pl.String).rename("level").value_counts(name="count")
    return sorted(counts.filter(pl.col("count") >= min_count)["level"].to_list())


def _positions(values: pl.Series, edges: list[float]) -> NDArray[np.float32]:
    number = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    position = np.interp(number, edges, np.arange(len(edges), dtype=float))
    return np.where(np.isnan(number), MISSING_POSITION, position).astype(np.float32)


def _indices(values: pl.Series, known: list[str]) -> NDArray[np.int64]:
    text = values.cast(pl.String)
    codes = text.cast(pl.Enum(known), strict=False).to_physical().cast(pl.Int64)
    index = (codes + NUM_SPECIAL_LEVELS).fill_null(UNKNOWN_LEVEL).to_numpy()
    return np.where(text.is_null().to_numpy(), MISSING_LEVEL, index).astype(np.int64)
