"""From a clean table to arrays. Everything is fitted on training rows; the state is JSON.

A number becomes its position among quantile edges: 2.5 is the middle of the third bin. The network
unfolds positions into piecewise linear codes (Y. Gorishniy et al., On embeddings for numerical
features in tabular deep learning, NeurIPS 2022), which need no scaling and hold outliers at the
outer edges. A date is several such numbers. A level becomes the index of its embedding.

A missing number is -1 - m, with m the position of the training rows' median: the network reads it
as the median, and beside it an indicator says that it is missing. Between -1 and 0 both go to
nothing, so that outputs are continuous in positions. Where no training row lacked a value, nothing
was learnt of the indicator, and a missing number is the median alone.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.settings.columns import Columns, Missing
from pipeline.tabular.data import dates
from pipeline.tabular.settings import EncoderSettings

MISSING_POSITION = -1.0
"""Of a missing number whose median lies at the first edge; others lie below."""
UNKNOWN_LEVEL, MISSING_LEVEL = 0, 1
NUM_SPECIAL_LEVELS = 2

MAPS = ("edges", "levels", "dates", "medians", "missing")
"""What an encoder knows by column."""

Inputs = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Encoder:
    """What was fitted.

    Attributes:
        edges: The quantile edges of each number.
        levels: The known levels of each category.
        dates: Of each date its parts, each with its quantile edges.
        medians: Of each number one median, of each date one for each part.
        missing: What a missing value of each column becomes.
        complete: The columns that no training row lacked.
    """

    edges: dict[str, list[float]]
    levels: dict[str, list[str]]
    dates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    medians: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)
    complete: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The encoded columns in the order of the network's inputs: numbers, dates, categories."""
        return [*self.edges, *self.dates, *self.levels]

    @property
    def widths(self) -> list[int]:
        """How many positions each number and each date has."""
        return [1] * len(self.edges) + [len(of_date) for of_date in self.dates.values()]

    def of(self, name: str) -> "Encoder":
        """The encoder of one column alone."""
        state = self.as_dict()
        of_column = {key: {n: one for n, one in state[key].items() if n == name} for key in MAPS}
        return Encoder(**of_column, complete=[key for key in self.complete if key == name])

    def encode(self, table: pl.DataFrame) -> Inputs:
        """Positions, float32, shape (rows, sum of widths); levels, int64, (rows, categories)."""
        rows = table.height
        positions = [
            _positions(values, edges, median, indicated=name not in self.complete)
            for name in (*self.edges, *self.dates)
            for values, edges, median in self._numbers(table, name)
        ]
        indices = [_indices(table[name], known) for name, known in self.levels.items()]
        return (
            np.stack(positions, axis=1) if positions else np.zeros((rows, 0), np.float32),
            np.stack(indices, axis=1) if indices else np.zeros((rows, 0), np.int64),
        )

    def _numbers(
        self, table: pl.DataFrame, name: str
    ) -> list[tuple[pl.Series, list[float], float]]:
        """The numbers that a column is, each with its edges and its median."""
        if name in self.edges:
            values, edges = [table[name]], [self.edges[name]]
        else:
            values = dates.parts(table[name], list(self.dates[name]))
            edges = list(self.dates[name].values())
        medians = self.medians.get(name, [one[0] for one in edges])
        return list(zip(values, edges, medians, strict=True))

    def architecture(self) -> dict[str, Any]:
        """What the network must know of the encoding."""
        parts = (edges for of_date in self.dates.values() for edges in of_date.values())
        return {
            "num_bins": [max(len(edges) - 1, 1) for edges in (*self.edges.values(), *parts)],
            "num_levels": [len(known) + NUM_SPECIAL_LEVELS for known in self.levels.values()],
        }

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(state: dict[str, Any]) -> "Encoder":
        return Encoder(**{"edges": state["edges"], "levels": state["levels"], **state})


def fit(table: pl.DataFrame, columns: Columns, settings: EncoderSettings) -> Encoder:
    """Fit on training rows: quantile edges of each number, frequent enough levels, sorted."""
    numbers = {name: [finite(table[name])] for name in columns.numeric}
    parts = {name: dates.parts_of(table[name]) for name in columns.dates}
    numbers |= {name: [*map(finite, dates.parts(table[name], parts[name]))] for name in parts}
    edges = {
        name: [_edges(one, settings.num_bins) for one in values] for name, values in numbers.items()
    }
    rule: dict[str, Missing] = dict.fromkeys(numbers, "median")
    rule |= dict.fromkeys(columns.categorical, "level")
    return Encoder(
        {name: edges[name][0] for name in columns.numeric},
        {name: _levels(table[name], settings.min_level_count) for name in columns.categorical},
        {name: dict(zip(parts[name], edges[name], strict=True)) for name in parts},
        {name: [*map(_median, values)] for name, values in numbers.items()},
        {name: columns.missing.get(name, rule[name]) for name in rule},
        [name for name in rule if not num_missing(table[name])],
    )


def gaps(table: pl.DataFrame, encoder: Encoder) -> list[dict[str, Any]]:
    """The columns that training rows lack values of: how many, by which rule they are read, and
    the median that stands for them (None of a category, and of a column without any value)."""
    found = []
    for name, rule in encoder.missing.items():
        num = num_missing(table[name])
        of = encoder.medians.get(name) if num < table.height else None
        median = of and (dates.shown(of[0]) if name in encoder.dates else of[0])
        if num:
            found.append({"column": name, "rule": rule, "num_missing": num, "median": median})
    return found


def num_missing(values: pl.Series) -> int:
    """How many values there are not; what is no number (nan) is none."""
    nans = int(values.is_nan().sum() or 0) if values.dtype.is_float() else 0
    return values.null_count() + nans


def finite(values: pl.Series) -> NDArray[np.float64]:
    """A column's numbers, without those that are missing or not finite."""
    number: NDArray[np.float64] = values.drop_nulls().cast(pl.Float64).to_numpy()
    return number[np.isfinite(number)]


def _edges(number: NDArray[np.float64], num_bins: int) -> list[float]:
    if len(number) == 0:
        return [0.0]
    quantiles = np.quantile(number * SCALE, np.linspace(0, 1, num_bins + 1)) / SCALE
    return [float(edge) for edge in np.unique(quantiles)]


SCALE = 2.0**-4
"""Numbers are made smaller before they are subtracted and divided by: no difference overflows, no
slope is so small that a processor may take it for zero. A power of two, so nothing is rounded."""


def _median(number: NDArray[np.float64]) -> float:
    return float(np.median(number * SCALE) / SCALE) if len(number) else 0.0


def _levels(values: pl.Series, min_count: int) -> list[str]:
    counts = values.drop_nulls().cast(pl.String).rename("level").value_counts(name="count")
    return sorted(counts.filter(pl.col("count") >= min_count)["level"].to_list())


def _positions(
    values: pl.Series, edges: list[float], median: float, *, indicated: bool
) -> NDArray[np.float32]:
    """Positions among edges; of what is missing that of the median, or what stands for it."""
    places, scaled = np.arange(len(edges), dtype=float), np.array(edges) * SCALE
    number: NDArray[np.float64] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    position = np.interp(number * SCALE, scaled, places)
    of_median = np.interp(median * SCALE, scaled, places)
    gap = MISSING_POSITION - of_median if indicated else of_median
    found: NDArray[np.float32] = np.where(np.isnan(number), gap, position).astype(np.float32)
    return found


def _indices(values: pl.Series, known: list[str]) -> NDArray[np.int64]:
    text = values.cast(pl.String)
    codes = text.cast(pl.Enum(known), strict=False).to_physical().cast(pl.Int64)
    index = (codes + NUM_SPECIAL_LEVELS).fill_null(UNKNOWN_LEVEL).to_numpy()
    return np.where(text.is_null().to_numpy(), MISSING_LEVEL, index).astype(np.int64)
