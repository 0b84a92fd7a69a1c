"""What makes two images the same for `split`, so that they share a part."""

import hashlib

import polars as pl

from pipeline.core.settings.columns import Columns
from pipeline.image.data.facts import facts
from pipeline.image.data.perceptual import groups, stacked


def keys(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The least perceptual hash of each picture's near-duplicates, as text; nothing else tells two
    rows apart.

    Guaranteed: no two pictures whose hashes differ in at most MAX_DISTANCE bits, and none that a
    chain of such pairs links, lie in two parts; so neither do copies in other bytes, formats or
    sizes, beyond the few whose hash changes more (`perceptual` says how many). Not guaranteed:
    that a mirrored, turned or cropped copy is seen; and where a near-duplicate with a lesser hash
    comes with a new delivery, or goes, its whole group may move to another part. What cannot be
    decoded goes by its bytes.
    """
    name = str(columns.image)
    known = facts(table[name], "images compared")
    hashes = [one.hash for one in known if one is not None and one.hash]
    least = iter(groups(stacked(hashes)).tolist())
    found = [
        hashes[next(least)].hex()
        if one is not None and one.hash
        else None
        if content is None
        else f"bytes {hashlib.sha256(content).hexdigest()}"
        for one, content in zip(known, table[name], strict=True)
    ]
    return pl.DataFrame({name: pl.Series(found, dtype=pl.String)})
