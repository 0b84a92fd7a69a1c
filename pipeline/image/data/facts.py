"""What is measured of each image of a column, in one pass that decodes every one once."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from pipeline.core.run.progress import rows
from pipeline.image.data.decoding import Header, opened, pixels
from pipeline.image.data.perceptual import perceptual_hash

MAX_KNOWN = 100_000
"""Of so many images the facts are kept: `validate` asks again for what cleaning did not change."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One image.

    Attributes:
        num_bytes: Of the file.
        header: What it says of itself; None where it is no PNG or JPEG.
        hash: The perceptual hash; None where it cannot be decoded, or is beyond the limits.
    """

    num_bytes: int
    header: Header | None = None
    hash: bytes | None = None

    @property
    def is_decodable(self) -> bool:
        return self.hash is not None


_known: dict[bytes, Facts] = {}


def facts(values: pl.Series, what: str) -> list[Facts | None]:
    """The facts of each image; None where there is none.

    Args:
        values: Bytes.
        what: What is done, for people who watch.
    """
    return list(_each(rows(values, values.len(), what)))


def _each(values: Iterable[bytes | None]) -> Iterator[Facts | None]:
    for content in values:
        if content is None:
            yield None
            continue
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if digest not in _known:
            if len(_known) >= MAX_KNOWN:
                _known.clear()
            _known[digest] = of_image(content)
        yield _known[digest]


def of_image(content: bytes, *, hashed: bool = True) -> Facts:
    """The facts of one image; its hash, which takes longest, may be left empty."""
    found = opened(content)
    if found is None:
        return Facts(len(content))
    header, image = found
    picture = pixels(header, image)
    if picture is None:
        return Facts(len(content), header)
    return Facts(len(content), header, perceptual_hash(picture) if hashed else b"")
