"""What the perceptual hash takes for the same image: copies in other forms, and different images.

    python benchmarks/near_duplicates.py

Of fashion's raw images (`dvc pull data/fashion/raw.dvc`): the share of copies that lie within the
distance of their original, and how many pairs of different images do, by the hash that is used (256
bits) and the more common one (64 bits, a distance in proportion). About a minute on one core.
"""

import io
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import polars as pl
from PIL import Image

from pipeline.image.data.decoding import decoded
from pipeline.image.data.perceptual import MAX_DISTANCE, NUM_BITS

RAW = Path("data/fashion/raw/fashion.parquet")
NUM_COPIED = 1000
HASHES = {16: MAX_DISTANCE, 8: MAX_DISTANCE * 64 // NUM_BITS}
"""The hash's side, and the distance in bits."""


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def copy(image: Image.Image) -> Image.Image:
        written = io.BytesIO()
        image.save(written, "JPEG", quality=quality)
        return Image.open(written)

    return copy


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 95": jpeg(95),
    "JPEG, quality 75": jpeg(75),
    "twice the size": lambda image: image.resize((56, 56), Image.Resampling.BICUBIC),
    "six sevenths of it": lambda image: image.resize((24, 24), Image.Resampling.BICUBIC),
    "a tenth brighter": lambda image: image.point(
        [min(255, value * 11 // 10) for value in range(256)]
    ),
    "moved by a pixel": lambda image: image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0)
    ),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def main() -> None:
    contents = pl.read_parquet(RAW)["image"].struct.field("bytes")
    images = [image for content in contents if (image := decoded(content)) is not None]
    print(f"{'':24}" + "".join(f"{side**2:>6} bits" for side in HASHES))
    for name, copy in COPIES.items():
        shares = [within(images[:NUM_COPIED], copy, *hashed) for hashed in HASHES.items()]
        print(f"{name:24}" + "".join(f"{share:>10.1%} " for share in shares))
    counts = [pairs(images, *hashed) for hashed in HASHES.items()]
    print(f"{'pairs of different ones':24}" + "".join(f"{count:>10,} " for count in counts))


def within(
    images: list[Image.Image], copy: Callable[[Image.Image], Image.Image], side: int, most: int
) -> float:
    """The share of copies whose hash differs in at most so many bits."""
    near = [
        imagehash.phash(image, side) - imagehash.phash(copy(image), side) <= most
        for image in images
    ]
    return float(np.mean(near))


def pairs(images: list[Image.Image], side: int, most: int) -> int:
    """How many pairs of images have hashes that differ in at most so many bits."""
    bits = np.array([imagehash.phash(image, side).hash.ravel() for image in images])
    signs = bits.astype(np.float32) * 2 - 1
    least, found = side**2 - 2 * most, 0
    for first in range(0, len(signs), 1000):
        found += int((signs[first : first + 1000] @ signs.T >= least).sum())
    return (found - len(signs)) // 2


if __name__ == "__main__":
    main()
