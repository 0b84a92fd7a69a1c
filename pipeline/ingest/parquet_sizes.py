"""What a parquet file's pages and values take, before any is unpacked.

A page's header says how much memory a reader takes for it, whatever the file's footer says; a run
or a dictionary of a few bytes can stand for billions of values. So the headers are read one by
one, and a text of a dictionary counts as often as it may be looked up.

Format: https://parquet.apache.org/docs/file-format; its headers are in Thrift's compact protocol.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.ingest.limits import Allowance, check_num_columns

VALUE_BYTES = 8
ALWAYS_BYTES = 2**30
"""So much may the values of any file take: those of few levels, sorted, are packed very well."""
HEADER_BYTES = 2**12
MAX_HEADER_BYTES = 2**24
STOP, TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
MAX_DEPTH = 16
TYPE, UNPACKED, PACKED, DATA, DATA_2 = 1, 2, 3, 5, 8
"""Fields of a page's header."""
DICTIONARY, PAGE_2 = 2, 3
"""Types of page."""
LOOKED_UP = (2, 8)
"""Encodings whose values are positions in the dictionary."""
DELTA = 7
"""The encoding whose values may repeat all of the one before."""
MAX_SHIFT = 63


def check_pages(path: Path, source: str, allowance: Allowance) -> None:
    """Refuse a file whose rows or pages are beyond the limits.

    Raises:
        ProjectError: they are.
        ValueError, OSError: the file is damaged.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    num_bytes = path.stat().st_size
    check_num_columns(metadata.num_columns, source)
    num_rows = max(
        metadata.num_rows,
        sum(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)),
    )
    values = num_rows * max(metadata.num_columns, 1) * VALUE_BYTES
    allowance.check_ratio(values, num_bytes, source, ALWAYS_BYTES)
    pages, texts = 0, 0
    with path.open("rb") as stream:
        for group in range(metadata.num_row_groups):
            for place in range(metadata.num_columns):
                check = partial(_check_pages, allowance, num_bytes, source, pages)
                column = metadata.row_group(group).column(place)
                width = metadata.schema.column(place).length or 0
                found = _taken(stream, column, width, check)
                pages, texts = pages + found[0], texts + found[1]
                allowance.check_ratio(texts, num_bytes, source, ALWAYS_BYTES)
    allowance.take(max(values + texts, pages))


def _check_pages(allowance: Allowance, num_bytes: int, source: str, before: int, more: int) -> None:
    allowance.check_ratio(before + more, num_bytes, source)


def _taken(
    stream: BinaryIO, column: Any, width: int, check: Callable[[int], None]
) -> tuple[int, int]:
    """Bytes of a column's pages as their headers have them, and at most so many of its texts, each
    of `width` bytes where all are as long."""
    start = column.data_page_offset
    if column.dictionary_page_offset:
        start = min(start, column.dictionary_page_offset)
    end = start + column.total_compressed_size
    total, texts, longest, kind = 0, 0, 0, column.physical_type
    while start < end:
        header, length = _header(stream, start)
        unpacked, packed = header.get(UNPACKED), header.get(PACKED)
        if type(unpacked) is not int or type(packed) is not int or min(unpacked, packed) < 0:
            raise ValueError(f"the header of the page at byte {start} is damaged")
        total += unpacked
        check(total)
        if kind == "BYTE_ARRAY" and header.get(TYPE) == DICTIONARY:
            stream.seek(start + length)
            longest = _longest(stream.read(packed), unpacked, column.compression)
        elif kind == "BYTE_ARRAY":
            texts += _texts(header, longest, unpacked)
        elif kind == "FIXED_LEN_BYTE_ARRAY" and header.get(TYPE) != DICTIONARY:
            texts += _values(header)[0] * width
        start += length + packed
    return total, texts


def _texts(header: dict[int, Any], longest: int, unpacked: int) -> int:
    """At most so many bytes of texts are in a page of data."""
    num_values, encoding = _values(header)
    if encoding in LOOKED_UP:
        return num_values * longest or unpacked
    return num_values * unpacked if encoding == DELTA else unpacked


def _values(header: dict[int, Any]) -> tuple[int, int]:
    """How many values a page of data has, and their encoding."""
    is_second = header.get(TYPE) == PAGE_2
    found = header.get(DATA_2 if is_second else DATA)
    num_values, encoding = (
        (found.get(1), found.get(4 if is_second else 2)) if isinstance(found, dict) else (0, 0)
    )
    if type(num_values) is not int or type(encoding) is not int or num_values < 0:
        raise ValueError("the header of a page has no number of values")
    return num_values, encoding


def _longest(packed: bytes, num_bytes: int, compression: str) -> int:
    """The longest text of a dictionary, in bytes, or all of it where it cannot be unpacked."""
    import pyarrow as pa

    content = packed
    if compression != "UNCOMPRESSED":
        try:
            codec = pa.Codec({"LZ4_RAW": "lz4_raw"}.get(compression, compression.lower()))
            content = codec.decompress(packed, decompressed_size=num_bytes, asbytes=True)
        except (OSError, ValueError, NotImplementedError):
            return num_bytes
    place, longest = 0, 0
    while place + 4 <= len(content):
        length = int.from_bytes(content[place : place + 4], "little")
        longest = max(longest, length)
        place += 4 + length
    return min(longest, num_bytes)


def _header(stream: BinaryIO, start: int) -> tuple[dict[int, Any], int]:
    """A page's header, by field, and its length in bytes."""
    num_bytes = HEADER_BYTES
    while num_bytes <= MAX_HEADER_BYTES:
        stream.seek(start)
        reader = _Compact(stream.read(num_bytes))
        try:
            return reader.struct(), reader.place
        except IndexError:  # it goes on, or the file does not
            num_bytes *= 16
    raise ValueError(f"the header of the page at byte {start} is damaged")


class _Compact:
    """Thrift's compact protocol, as far as a page's header has it; IndexError at its end.

    Args:
        content: Bytes that begin with a structure.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > MAX_DEPTH:
            raise ValueError("the header of a page is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != STOP:
            step = head >> 4
            number = number + step if step else self._number()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _byte(self) -> int:
        self.place += 1
        return self._content[self.place - 1]

    def _unsigned(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > MAX_SHIFT:
                raise ValueError("the header of a page has a number larger than any")

    def _number(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, num_bytes: int) -> None:
        self.place += num_bytes
        if self.place > len(self._content):
            raise IndexError

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind in (BYTE, DOUBLE):
            return self._skip(8 if kind == DOUBLE else 1)
        if kind == BINARY:
            return self._skip(self._unsigned())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET, MAP):
            raise ValueError("the header of a page holds what none does")
        return self._number()
