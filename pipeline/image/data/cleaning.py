"""How images are cleaned: by the rules that every modality knows, and four of their own.

What cannot be decoded stays as it is but where a rule drops it; the contract decides about it. An
image that a rule leaves as it was keeps its bytes; one that it changes becomes a PNG.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.core.cleaning.cleaning import Cleaner
from pipeline.core.cleaning.cleaning_rules import Change, keeping, num_changed
from pipeline.core.errors import ProjectError
from pipeline.core.cleaning.image_rules import ConvertMode, DropNearDuplicates, DropUndecodable, ImageRule, Resize
from pipeline.core.run.progress import rows
from pipeline.image.data.decoding import Header, as_png, converted, opened, pixels
from pipeline.image.data.facts import facts
from pipeline.image.data.perceptual import first_ones, stacked

if TYPE_CHECKING:
    from PIL.Image import Image

ROWS_AT_ONCE = 2_000


def _drop_undecodable(rule: DropUndecodable, table: pl.DataFrame) -> Change:
    kept = np.ones(table.height, dtype=bool)
    for name in _image_columns(rule, table):
        known = facts(table[name], "images read")
        kept &= np.array([one is None or one.is_decodable for one in known], dtype=bool)
    return keeping(table, table.filter(kept))


def _resize(rule: Resize, table: pl.DataFrame) -> Change:
    def resized(image: "Image") -> "Image":
        from PIL import Image, ImageOps

        size, method = (rule.width, rule.height), Image.Resampling.LANCZOS
        if image.mode not in ("L", "RGB"):  # a palette's numbers cannot be averaged
            image = converted(image, "L" if image.mode.startswith(("1", "I", "L")) else "RGB")
        if rule.fit == "stretch":
            return image.resize(size, method)
        return {"pad": ImageOps.pad, "crop": ImageOps.fit}[rule.fit](image, size, method)

    def has_size(header: Header) -> bool:
        return (header.width, header.height) == (rule.width, rule.height)

    return _changed(rule, table, has_size, resized)


def _convert_mode(rule: ConvertMode, table: pl.DataFrame) -> Change:
    return _changed(
        rule,
        table,
        lambda header: header.mode == rule.mode,
        lambda image: converted(image, rule.mode),
    )


def _drop_near_duplicates(rule: DropNearDuplicates, table: pl.DataFrame) -> Change:
    kept = np.ones(table.height, dtype=bool)
    for name in _image_columns(rule, table):
        known = facts(table[name], "images compared")
        hashes = [one.hash if one else None for one in known]
        places = np.flatnonzero([one is not None for one in hashes])
        stays = first_ones(stacked([one for one in hashes if one]), rule.max_distance)
        kept[places[~stays]] = False
    return keeping(table, table.filter(kept))


def _changed(
    rule: ImageRule,
    table: pl.DataFrame,
    is_so: Callable[[Header], bool],
    change: Callable[["Image"], "Image"],
) -> Change:
    """The table with those images changed of which the header does not say that it is so."""

    def one(content: bytes | None) -> bytes | None:
        found = opened(content) if content is not None else None
        if found is None or is_so(found[0]):
            return content
        image = pixels(*found)
        return content if image is None else as_png(change(image))

    cells = {}
    for name in _image_columns(rule, table):
        before = table[name]
        after = [one(content) for content in rows(before, before.len(), f"images, {rule.rule}")]
        changed = pl.Series(name, after, dtype=pl.Binary)
        cells[name] = num_changed(before, changed)
        table = table.with_columns(changed)
    return Change(table, cells)


def _image_columns(rule: ImageRule, table: pl.DataFrame) -> list[str]:
    """The columns of images that a rule is about."""
    for name in rule.columns:
        if table.schema[name] != pl.Binary:
            raise ProjectError(
                f"clean rule {rule.name!r} ({rule.rule}): expected images in {name!r}, "
                f"found {table.schema[name]}",
                hint="name the column of `columns.image`, or none",
            )
    images = [name for name, dtype in table.schema.items() if dtype == pl.Binary]
    return list(rule.columns) or images


CLEANER = Cleaner(
    {
        "drop_undecodable": _drop_undecodable,
        "resize": _resize,
        "convert_mode": _convert_mode,
        "drop_near_duplicates": _drop_near_duplicates,
    },
    ROWS_AT_ONCE,
)
apply, cleaned, cleaned_scan = CLEANER.apply, CLEANER.cleaned, CLEANER.cleaned_scan
