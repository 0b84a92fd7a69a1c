"""Made pictures: clothes of two kinds, the same in other forms, and files that are no pictures."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from pipeline.core.settings.columns import Columns

COLUMNS = Columns(target="label", task="multiclass", image="image", identifier="id")


def picture(seed: int, size: tuple[int, int] = (28, 28)) -> Image.Image:
    """Grey blobs that differ by `seed`."""
    coarse = np.random.default_rng(seed).integers(0, 256, (20, 20), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def png(seed: int) -> bytes:
    return encoded(picture(seed))


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG's chunk, with its checksum."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def bomb(width: int, height: int) -> bytes:
    """A sound PNG of a hundred bytes whose header says that it has so many grey pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in parts)


def rows(contents: list[bytes | None], labels: str = "ab") -> pl.DataFrame:
    """One row for each content; labels in turn."""
    turns = [labels[number % len(labels)] for number in range(len(contents))]
    numbers = list(range(len(contents)))
    image = pl.Series("image", contents, dtype=pl.Binary)
    return pl.DataFrame([pl.Series("id", numbers), image, pl.Series("label", turns)])
