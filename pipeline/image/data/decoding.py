"""An image's bytes: what their header says, and the pixels, where they are within limits.

The header is read first, and nothing beyond the limits is ever decoded: a few kilobytes can say
that they are a picture of gigabytes (a decompression bomb).
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.image.data import png

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {"PNG": b"\x89PNG", "JPEG": b"\xff\xd8"}
"""How their files begin."""
MAX_PIXELS = 50_000_000
"""Width times height; the largest cameras of phones aside, photographs have fewer."""
MAX_SIDE = 20_000
"""Of width and height, in pixels."""
ORIENTATION = 0x0112
"""EXIF's tag of how the camera was held."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself.

    Attributes:
        format: PNG or JPEG.
        mode: Its channels in Pillow's words: L is grey, RGB colour, P a palette, …
        width: In pixels, as it is shown.
        height: In pixels, as it is shown.
    """

    format: str
    mode: str
    width: int
    height: int

    @property
    def is_within_limits(self) -> bool:
        sides = (self.width, self.height)
        return min(sides) > 0 and max(sides) <= MAX_SIDE and self.width * self.height <= MAX_PIXELS


def opened(content: bytes) -> "tuple[Header, Image] | None":
    """The header, and the image whose pixels are not read yet; None where it is no PNG or JPEG."""
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    # Image.open would refuse the largest before it tells their size
    kind = next((kind for kind, start in FORMATS.items() if content.startswith(start)), "")
    if kind == "PNG":
        content = png.of_the_picture(content)
    try:
        image = {"PNG": PngImageFile, "JPEG": JpegImageFile}[kind](io.BytesIO(content))
    except Exception:  # Pillow's readers raise errors of many kinds
        return None
    width, height = image.size
    if kind == "JPEG" and _is_on_its_side(image):
        width, height = height, width
    return Header(kind, image.mode, width, height), image


def _is_on_its_side(image: "Image") -> bool:
    """Whether its camera was turned by a quarter."""
    try:
        return image.getexif().get(ORIENTATION) in (5, 6, 7, 8)
    except Exception:  # as above; what EXIF says is for cameras to know
        return False


def decoded(content: bytes) -> "Image | None":
    """The picture as a viewer shows it, turned as its camera was held.

    None where it is no PNG or JPEG, is damaged or cut short, or is beyond the limits.
    """
    found = opened(content)
    return pixels(*found) if found else None


def pixels(header: Header, image: "Image") -> "Image | None":
    """An opened image with its pixels read, and turned; None as `decoded` says."""
    from PIL import ImageOps

    if not header.is_within_limits:
        return None
    try:
        image.load()
        return ImageOps.exif_transpose(image) if header.format == "JPEG" else image
    except Exception:  # Pillow's readers raise errors of many kinds
        return None


def converted(image: "Image", mode: str) -> "Image":
    """The picture in grey (L) or colour (RGB), 8 bits a channel.

    Of 16 bits the upper eight are kept, and what is transparent lies on white.
    """
    from PIL import Image

    if image.mode == mode:
        return image
    if image.mode.startswith("I"):
        upper = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(np.clip(upper, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), above)
    return image.convert(mode)


def as_png(image: "Image") -> bytes:
    """A picture's bytes, the same for the same pixels."""
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()
