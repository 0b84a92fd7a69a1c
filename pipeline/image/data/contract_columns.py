"""What a contract may name of an image: its size, its form, and whether it is there twice.

Beside the column `image` these are `image.decodable`, `.format`, `.mode`, `.width`, `.height`,
`.num_pixels`, `.num_bytes`, and `.num_near_duplicates`: how many other rows have nearly the same
picture (`perceptual`). What a file that is no PNG or JPEG lacks is missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from pipeline.core.settings.columns import Columns
from pipeline.image.data.facts import Facts, facts, of_image
from pipeline.image.data.perceptual import num_near, stacked

Measures = Mapping[str, tuple[pl.DataType, Iterable[Any]]]
"""From a measure's name to its type and its values."""


def measured(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The table with a column for each measure of its image, where it has one."""
    name = columns.image
    if name is None or name not in table.columns:
        return table
    known = facts(table[name], "images measured")
    there = [one for one in known if one is not None]
    twice = {"num_near_duplicates": (pl.Int64(), _num_near_duplicates(there))}
    return _with(_of_rows(table, name, known), name, known, twice)


def of_rows(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The table with the measures that say something of each image by itself."""
    name = columns.image
    if name is None or name not in table.columns:
        return table
    known = [None if one is None else of_image(one, hashed=False) for one in table[name]]
    return _of_rows(table, name, known)


def _of_rows(table: pl.DataFrame, name: str, known: Sequence[Facts | None]) -> pl.DataFrame:
    there = [one for one in known if one is not None]
    headers = [one.header for one in there]
    values: Measures = {
        "decodable": (pl.Boolean(), [one.is_decodable for one in there]),
        "format": (pl.String(), [one and one.format for one in headers]),
        "mode": (pl.String(), [one and one.mode for one in headers]),
        "width": (pl.Int64(), [one and one.width for one in headers]),
        "height": (pl.Int64(), [one and one.height for one in headers]),
        "num_pixels": (pl.Int64(), [one and one.width * one.height for one in headers]),
        "num_bytes": (pl.Int64(), [one.num_bytes for one in there]),
    }
    return _with(table, name, known, values)


def _with(
    table: pl.DataFrame, name: str, known: Sequence[Facts | None], values: Measures
) -> pl.DataFrame:
    """The table with measures of the images that are there."""
    places = np.flatnonzero([one is not None for one in known])
    empty = pl.Series([None]).new_from_index(0, table.height)
    return table.with_columns(
        empty.cast(dtype).scatter(places, pl.Series(found, dtype=dtype)).alias(f"{name}.{measure}")
        for measure, (dtype, found) in values.items()
    )


def _num_near_duplicates(known: list[Facts]) -> list[int | None]:
    """How many others each is near to; None for what cannot be decoded."""
    near = iter(num_near(stacked([one.hash for one in known if one.hash])).tolist())
    return [next(near) if one.hash else None for one in known]
