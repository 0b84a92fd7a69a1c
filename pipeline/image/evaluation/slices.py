"""How well the model decides on images that are dark, empty, flat or small."""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.metrics import slices
from pipeline.core.settings.columns import Columns
from pipeline.image.data.decoding import converted, decoded

INK = 26
"""A pixel that differs by more than this, a tenth of the range, from the background is ink."""

Grey = NDArray[np.uint8]


def brightness(grey: Grey) -> float:
    """The mean pixel, from 0 to 1."""
    return float(grey.mean()) / 255


def contrast(grey: Grey) -> float:
    """The standard deviation of the pixels, as a share of their range."""
    return float(grey.std()) / 255


def ink(grey: Grey) -> float:
    """The share of pixels that are not like the background, which is the median of the border."""
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    return float((np.abs(grey.astype(int) - np.median(border)) > INK).mean())


def size(grey: Grey) -> float:
    """The number of pixels."""
    return float(grey.size)


MEASURES: dict[str, Callable[[Grey], float]] = {
    "brightness": brightness,
    "contrast": contrast,
    "ink": ink,
    "size": size,
}


def measures(images: pl.Series) -> pl.DataFrame:
    """What is measured of each image as it was delivered; null of what cannot be decoded."""
    found = []
    for content in images:
        image = None if content is None else decoded(content)
        grey = None if image is None else np.asarray(converted(image, "L"))
        found.append(
            {
                name: None if grey is None else round(of_image(grey), 3)
                for name, of_image in MEASURES.items()
            }
        )
    return pl.DataFrame(found, schema=dict.fromkeys(MEASURES, pl.Float64))


def slices_of(table: pl.DataFrame, columns: Columns) -> slices.Slices:
    """The quartiles of the measures that differ between images: one size tells none apart."""
    found = measures(table[str(columns.image)])
    differing = [name for name in found.columns if found[name].n_unique() > 1]
    return {name: slices.ranges(found[name]) for name in differing or found.columns}
