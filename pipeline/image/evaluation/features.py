"""A table's images for what is counted and for scikit-learn's trees: pixels made few, and measures.

An image is one feature for the network. Here it is told apart by what can be named of it: its
brightness, contrast, ink and size (`slices`), as `<column>.brightness` and so on.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.errors import ProjectError
from pipeline.core.metrics.slices import MISSING, ranges
from pipeline.core.settings.columns import Columns
from pipeline.image.data.decoding import converted, decoded, opened
from pipeline.image.data.facts import facts
from pipeline.image.data.perceptual import groups, stacked
from pipeline.image.evaluation.slices import measures

SIDE = 8
"""Images become 8 × 8 means of their pixels: enough for trees to tell shapes by."""
GREY = ("1", "L", "LA", "I", "I;16")
NUM_BINS = 32


def matrix(
    table: pl.DataFrame, columns: Columns, without: tuple[str, ...] = ()
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The image as 64 means of its pixels, or 192 where some are in colour, shape (rows, means);
    none is a category. What cannot be decoded is nan. Nothing of a label is used."""
    name = str(columns.image)
    if name in without:
        return np.zeros((table.height, 0)), np.zeros(0, dtype=bool)
    rows = _pooled(table[name])
    return rows, np.zeros(rows.shape[1], dtype=bool)


def _pooled(images: pl.Series) -> NDArray[np.float64]:
    from PIL import Image

    headers = [found[0] for one in images if one is not None and (found := opened(one))]
    mode = "L" if all(one.mode in GREY for one in headers) else "RGB"
    rows = np.full((images.len(), SIDE * SIDE * len(mode)), np.nan)
    for place, content in enumerate(images):
        image = None if content is None else decoded(content)
        if image is not None:
            small = converted(image, mode).resize((SIDE, SIDE), Image.Resampling.BOX)
            rows[place] = np.asarray(small, dtype=np.float64).ravel()
    return rows


def described(table: pl.DataFrame, name: str) -> list[pl.Series]:
    """An image by what is measured of it, each measure in quartile ranges; measures that are the
    same of all images tell none apart and are left out. Another column by its levels."""
    if table.schema[name] != pl.Binary:
        return [levels(table, name)]
    found = measures(table[name])
    return [
        ranges(found[one]).fill_null(MISSING).alias(f"{name}.{one}")
        for one in found.columns
        if found[one].n_unique() > 1
    ]


def levels(table: pl.DataFrame, name: str) -> pl.Series:
    """A column that is no image as the names of its levels."""
    if table.schema[name] == pl.Binary:
        raise ProjectError(
            f"audit.given: expected a column with levels to compare within, got the image {name!r}",
            hint="name a column of `columns.sensitive`, or none",
        )
    return table[name].cast(pl.String).fill_null(MISSING).alias(name)


def coded(table: pl.DataFrame, name: str, columns: Columns) -> dict[str, NDArray[np.int64]]:  # noqa: ARG001 -- as every modality
    """What is measured of the image as codes of NUM_BINS quantile bins; missing is 0."""
    found = measures(table[name])
    return {f"{name}.{one}": _binned(found[one].to_numpy()) for one in found.columns}


def _binned(values: NDArray[np.float64]) -> NDArray[np.int64]:
    known = values[np.isfinite(values)]
    inner = np.arange(1, NUM_BINS) / NUM_BINS
    edges = np.unique(np.quantile(known, inner)) if len(known) else np.zeros(0)
    code = 1 + np.searchsorted(edges, values, side="left")
    return np.where(np.isnan(values), 0, code).astype(np.int64)


def identical(table: pl.DataFrame, columns: Columns, without: tuple[str, ...]) -> NDArray[np.int64]:
    """The same code for near-duplicates, shape (rows,); 0 for what cannot be decoded."""
    name = str(columns.image)
    codes = np.zeros(table.height, dtype=np.int64)
    if name not in without:
        hashes = [one.hash if one else None for one in facts(table[name], "images compared")]
        places = np.flatnonzero([one is not None for one in hashes])
        codes[places] = 1 + groups(stacked([one for one in hashes if one]))
    return codes
