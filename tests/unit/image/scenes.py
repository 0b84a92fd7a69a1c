"""Pictures whose class is known: a light square on dark ground, in one of the quarters."""

import io
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.settings.columns import Columns
from pipeline.image.model.encoding import Encoder

SIZE = 12
PLACES = {"north": (1, 3), "east": (4, 7), "south": (7, 3), "west": (4, 0)}
COLUMNS = Columns(target="side", task="multiclass", image="photo")


def png(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", **options)
    return target.getvalue()


def scene(side: str, seed: int = 0) -> NDArray[np.uint8]:
    """A square of 4 × 4 light pixels on noise."""
    pixels = np.random.default_rng(seed).integers(0, 60, (SIZE, SIZE), dtype=np.uint8)
    top, left = PLACES[side]
    pixels[top : top + 4, left : left + 4] += 150
    return pixels


def scenes(num_rows: int) -> pl.DataFrame:
    """Rows of the four classes in turn, as `balance` writes them."""
    sides = [list(PLACES)[i % 4] for i in range(num_rows)]
    return pl.DataFrame(
        {
            "photo": [png(scene(side, i)) for i, side in enumerate(sides)],
            "side": sides,
            "_row": pl.Series(range(num_rows), dtype=pl.UInt32),
            "_key": pl.Series(range(num_rows), dtype=pl.UInt64),
        }
    )


def encoder(size: int = SIZE, channels: int = 1) -> Encoder:
    return Encoder("photo", size, channels, [0.5] * channels, [0.25] * channels)
