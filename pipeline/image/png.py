"""Whether a PNG's data are as long as its header says; decoders fill up what lacks, in silence.
And whether its chunks are as many as may be, before anything in them is inflated.

Source: Portable Network Graphics (PNG) Specification, third edition, W3C 2025, clauses 7 and 8.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
"""The passes of an interlaced image: first column, first row, steps to the next of each."""
PIECE_BYTES = 65_536
FIRST_CHUNK = 8
MAX_CHUNKS = 1_000
"""But for those of the pixels, of which a large photograph has thousands."""


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


def is_orderly(content: bytes) -> bool:
    """Whether there is one header, at most one colour profile, and no crowd of other chunks.

    Pillow inflates each profile, up to a megabyte of it, when it opens a file.
    """
    kinds = Counter(kind for kind, _ in _chunks(content))
    num_others = kinds.total() - kinds[b"IDAT"]
    return kinds[b"IHDR"] <= 1 and kinds[b"iCCP"] <= 1 and num_others <= MAX_CHUNKS


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's kind and data, up to the end or to where the file is cut."""
    place = FIRST_CHUNK
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        yield kind, content[place + 8 : place + 8 + length]
        if kind == b"IEND":
            return
        place += length + 12  # length, kind and checksum are four bytes each


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
