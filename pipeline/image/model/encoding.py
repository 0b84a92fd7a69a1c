"""From a clean table's images to one array of pixels; the network scales them. The state is JSON.

Each image is decoded once, as a viewer shows it, and brought to one size and mode.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.errors import PipelineError
from pipeline.core.settings.columns import Columns
from pipeline.image.data.decoding import converted, decoded
from pipeline.image.settings import EncoderSettings

MODES = {1: "L", 3: "RGB"}
"""Pillow's mode by the number of channels."""

Pixels = NDArray[np.uint8]
Inputs = tuple[Pixels]


@dataclass(frozen=True)
class Encoder:
    """What was fitted.

    Attributes:
        column: Of the images.
        size: Height and width in pixels.
        channels: 1 or 3.
        mean: Of each channel over all pixels of training images, from 0 to 1.
        deviation: Of each channel, likewise; 1 where all pixels are the same.
    """

    column: str
    size: int
    channels: int
    mean: list[float]
    deviation: list[float]

    @property
    def columns(self) -> list[str]:
        return [self.column]

    def encode(self, table: pl.DataFrame) -> Inputs:
        """Pixels, shape (rows, channels, size, size)."""
        return (pixels(table[self.column], self.size, self.channels),)

    def architecture(self) -> dict[str, Any]:
        """What the network must know of the encoding."""
        return {"size": self.size, "mean": self.mean, "deviation": self.deviation}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(state: dict[str, Any]) -> "Encoder":
        return Encoder(**state)


def fit(table: pl.DataFrame, columns: Columns, settings: EncoderSettings) -> Encoder:
    """Fit on training rows: mean and standard deviation of each channel, from exact sums."""
    column = str(columns.image)
    values = pixels(table[column], settings.size, settings.channels)
    counts = [np.bincount(values[:, i].ravel(), minlength=256) for i in range(settings.channels)]
    mean, deviation = zip(*map(_moments, counts), strict=True)
    return Encoder(column, settings.size, settings.channels, list(mean), list(deviation))


def gaps(table: pl.DataFrame, encoder: Encoder) -> list[dict[str, Any]]:  # noqa: ARG001 -- as every modality
    """None: a row without an image that can be decoded never comes this far."""
    return []


def pixels(images: pl.Series, size: int, channels: int) -> Pixels:
    """Encoded images as one array, shape (images, channels, size, size).

    Raises:
        PipelineError: one is missing, or cannot be decoded.
    """
    found = np.empty((images.len(), channels, size, size), dtype=np.uint8)
    for place, content in enumerate(images):
        found[place] = _of_image(content, size, channels, images.name)
    return found


def _of_image(content: bytes | None, size: int, channels: int, column: str) -> Pixels:
    from PIL import Image

    image = None if content is None else decoded(content)
    if image is None:
        raise PipelineError(
            f"{column}: expected an image that can be decoded in every row, found one that is "
            f"{'missing' if content is None else 'damaged or beyond the limits'}",
            hint="let a rule under `clean.rules` drop such rows",
        )
    image = converted(image, MODES[channels])
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    values: Pixels = np.asarray(image, dtype=np.uint8)
    return values.reshape(size, size, channels).transpose(2, 0, 1)


def _moments(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and standard deviation, from 0 to 1, of pixels by how often each value occurs."""
    values, total = np.arange(256), max(int(counts.sum()), 1)
    mean = int((counts * values).sum()) / total
    variance = int((counts * values**2).sum()) / total - mean**2
    return mean / 255, (variance**0.5 if variance > 0 else 255.0) / 255
