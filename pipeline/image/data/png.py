"""Whether a PNG's data are as long as its header says; decoders fill up what lacks, in silence.
And a PNG without what is not of its picture, which decoders would inflate all the same.

Source: Portable Network Graphics (PNG) Specification, third edition, W3C 2025, clauses 7 and 8.
"""

import struct
import zlib
from collections.abc import Iterator

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
"""The passes of an interlaced image: first column, first row, steps to the next of each."""
PIECE_BYTES = 65_536
FIRST_CHUNK = 8
OF_THE_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Header, palette, transparency, pixels, end. Others are profiles, texts, times, later frames."""


def is_whole(content: bytes) -> bool:
    """Whether the data inflate to just what the header promises; in constant memory."""
    try:
        chunks = list(_chunks(content))
        header = next(data for kind, data in chunks if kind == b"IHDR")
        compressed = b"".join(data for kind, data in chunks if kind == b"IDAT")
        promised = _num_bytes(*struct.unpack(">IIBBBBB", header))
        return _inflated(compressed, promised + 1) == promised
    except (StopIteration, struct.error, zlib.error, KeyError):
        return False


def num_frames(content: bytes) -> int:
    """How many pictures an animated PNG says that it shows; 1 of any other."""
    says = next((data for kind, data in _chunks(content) if kind == b"acTL"), b"\0\0\0\1")
    return int.from_bytes(says[:4])


def of_the_picture(content: bytes) -> bytes:
    """The same PNG with one header, and with no chunk but those of the picture.

    Pillow inflates each profile and each text, megabytes of them, when it opens a file.
    """
    kept, has_header = [content[:FIRST_CHUNK]], False
    for kind, start, end in _places(content):
        if kind in OF_THE_PICTURE and not (kind == b"IHDR" and has_header):
            kept.append(content[start:end])
        has_header |= kind == b"IHDR"
    return b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's kind and data."""
    for kind, start, end in _places(content):
        yield kind, content[start + 8 : end - 4]


def _places(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, start and end, up to the file's end or to where it is cut."""
    start = FIRST_CHUNK
    while start + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        end = start + 12 + length  # length, kind and checksum are four bytes each
        yield kind, start, end
        if kind == b"IEND":
            return
        start = end


def _num_bytes(
    width: int,
    height: int,
    depth: int,
    colour: int,
    _compression: int,
    _filter: int,
    interlace: int,
) -> int:
    """What an image's lines have together; each begins with the byte of its filter."""
    bits = depth * CHANNELS[colour]
    sizes = [(width, height)]
    if interlace:
        sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7]
    return sum(tall * ((wide * bits + 7) // 8 + 1) for wide, tall in sizes if min(wide, tall) > 0)


def _inflated(compressed: bytes, most: int) -> int:
    """How many bytes the data inflate to; `most` where they are more."""
    inflator, waiting, found = zlib.decompressobj(), compressed, 0
    while found < most and not inflator.eof:
        piece = inflator.decompress(waiting, min(PIECE_BYTES, most - found))
        waiting = inflator.unconsumed_tail
        if not piece and not waiting:
            break
        found += len(piece)
    return found
