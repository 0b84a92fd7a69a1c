"""Images that a service must refuse, for the rehearsal: made by hand, without the service's code
and without the library that it decodes with."""

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.core.settings.columns import Columns

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY = 0
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"
)
WEBP = (
    b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe"
    b"\x07\x00"
)
BOMB_SIDE = 50_000


def bad_values(
    row: Mapping[str, Any],
    columns: Columns,
    contract: Mapping[str, Any],
    service: Mapping[str, Any],
) -> Iterator[tuple[str, Any, Sequence[str]]]:
    """What is bad about a value, the value, and words that the answer must have.

    Args:
        row: A good row, as requests carry it.
        columns: The project's columns.
        contract: The contract that the service enforces.
        service: The content of service.json: limits of values, and cleaning rules.
    """
    name = columns.image or ""
    good = base64.b64decode(row[name])
    most = service["limits"]["of_values"]["max_image_side"]
    made = {
        "no base64": "not base64!",
        "an empty text": "",
        "a number": 7,
        "bytes that are no image": written(bytes(range(256))),
        "a text in base64": written(b"an image"),
        "a GIF": written(GIF),
        "a WebP": written(WEBP),
        "an image cut in half": written(good[: len(good) // 2]),
        "a PNG with less than its header says": written(png(28, 28, num_lines=3)),
        "an animation": written(png(28, 28, frames=2)),
        "another data: URL": "data:text/html;base64," + written(good),
    }
    for what, value in made.items():
        yield what, value, ()
    wide = written(png(BOMB_SIDE, 1, num_lines=1))
    yield f"a PNG of a width of {BOMB_SIDE:,}", wide, (str(most),)
    yield "a decompression bomb", written(png(BOMB_SIDE, BOMB_SIDE, num_lines=0)), (str(most),)
    is_resized = any(rule["rule"] == "resize" for rule in service["rules"])
    for measure, value in () if is_resized else against(name, contract):
        yield f"an image of another {measure}", value, ()


def against(name: str, contract: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """An image beyond each limit of width and height that the contract's critical rules set."""
    for entry in contract["prepared"]["expectations"]:
        kwargs = entry["kwargs"]
        measure = str(kwargs.get("column", "")).removeprefix(f"{name}.")
        most = kwargs.get("max_value", kwargs.get("value"))
        kept = entry["severity"] == "critical" and kwargs.get("mostly", 1) == 1
        if kept and measure in ("width", "height") and most is not None:
            width, height = (most + 1, 1) if measure == "width" else (1, most + 1)
            yield measure, written(png(int(width), int(height)))


def written(content: bytes) -> str:
    return base64.b64encode(content).decode()


def png(width: int, height: int, num_lines: int | None = None, frames: int = 1) -> bytes:
    """A black PNG in shades of grey: `num_lines` of its lines are there, all of them by default."""
    lines = height if num_lines is None else num_lines
    pixels = zlib.compress(bytes(width + 1) * lines, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, GREY, 0, 0, 0)
    chunks = [(b"IHDR", header)]
    frame = struct.pack(">IIIIHHBB", width, height, 0, 0, 1, 10, 0, 0)
    if frames > 1:
        chunks.append((b"acTL", struct.pack(">II", frames, 0)))
        chunks.append((b"fcTL", struct.pack(">I", 0) + frame))
    chunks.append((b"IDAT", pixels))
    for number in range(1, frames):
        chunks.append((b"fcTL", struct.pack(">I", 2 * number - 1) + frame))
        chunks.append((b"fdAT", struct.pack(">I", 2 * number) + pixels))
    return SIGNATURE + b"".join(_chunk(*one) for one in [*chunks, (b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
