"""Whether an image from somebody unknown is one that a service takes: its header within limits
before anything is decoded, a single picture, and whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.core.cleaning.whole_cells import Unreadable
from pipeline.image.data import decoding, png

MAX_SCANS = 64
"""Of a JPEG. Each is decoded over the whole picture, and an ordinary one has about ten."""
TOGETHER = 4
"""How many times the pixels of the largest image one request's images may have together."""
SCAN = b"\xff\xda"
SIGNATURES = {
    b"\x89PNG": "a PNG",
    b"\xff\xd8": "a JPEG",
    b"GIF8": "a GIF",
    b"RIFF": "a WebP",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"<svg": "an SVG",
}
"""How files begin, and what they are."""


@dataclass(frozen=True)
class Limits:
    """What an image may measure.

    Attributes:
        max_bytes: Of the file.
        max_pixels: Width times height.
        max_side: Of width and of height, in pixels.
    """

    max_bytes: int
    max_pixels: int
    max_side: int

    @staticmethod
    def of_settings(settings: Mapping[str, int]) -> "Limits":
        """Limits by the names that `package` sets them under."""
        return Limits(
            settings["max_image_bytes"], settings["max_image_pixels"], settings["max_image_side"]
        )


def check(content: bytes, limits: Limits) -> None:
    """Decode an image, within limits, and forget it.

    Raises:
        Unreadable: it is beyond a limit, of another format, animated, or damaged.
    """
    if len(content) > limits.max_bytes:
        expected = f"an image of at most {limits.max_bytes:,} bytes"
        raise Unreadable(expected, f"{len(content):,} bytes")
    found = decoding.opened(content)
    if found is None:
        raise Unreadable("a PNG or JPEG image", kind_of(content))
    header, image = found
    _check_size(header, limits)
    _check_single(header, content)
    is_whole = header.format != "PNG" or png.is_whole(content)
    if not is_whole or decoding.pixels(header, image) is None:
        expected = "an image that can be decoded, as large as its header says"
        raise Unreadable(expected, f"{kind_of(content)} that is damaged or cut short")


def num_pixels(content: bytes, limits: Limits) -> int:
    """What an image's header says, or 0 where `check` refuses it by its size alone."""
    found = decoding.opened(content) if len(content) <= limits.max_bytes else None
    found_pixels = found[0].width * found[0].height if found else 0
    return found_pixels if found_pixels <= limits.max_pixels else 0


def kind_of(content: bytes) -> str:
    """What the beginning of a file shows it to be, in words."""
    known = (words for start, words in SIGNATURES.items() if content.startswith(start))
    return next(known, f"{len(content):,} bytes of another kind")


def _check_size(header: decoding.Header, limits: Limits) -> None:
    found = f"{header.width:,} × {header.height:,} pixels"
    if max(header.width, header.height) > limits.max_side:
        raise Unreadable(f"an image of at most {limits.max_side:,} pixels a side", found)
    if not 0 < header.width * header.height <= limits.max_pixels:
        raise Unreadable(f"an image of 1 to {limits.max_pixels:,} pixels", found)


def _check_single(header: decoding.Header, content: bytes) -> None:
    if header.format == "PNG" and (num_frames := png.num_frames(content)) != 1:
        raise Unreadable("a single picture, no animation", f"{num_frames} of them")
    if header.format == "JPEG" and (num_scans := content.count(SCAN)) > MAX_SCANS:
        raise Unreadable(f"a JPEG of at most {MAX_SCANS} scans", f"{num_scans:,} of them")
