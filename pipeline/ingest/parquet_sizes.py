"""What a parquet file's pages and values take, before any is unpacked.

A page's header says how much memory a reader takes for it, whatever the file's footer says; a run
or a dictionary of a few bytes can stand for billions of values. So the headers are read one by
one, and the lengths of texts are summed.

Format: https://parquet.apache.org/docs/file-format; its headers are in Thrift's compact protocol.
"""

from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from pipeline.ingest.limits import (
    Allowance,
    check_num_columns,
    check_value_size,
)

VALUE_BYTES = 8
ALWAYS_BYTES = 2**30
"""So much may the values of any file take: those of few levels, sorted, are packed very well."""
HEADER_BYTES = 2**12
MAX_HEADER_BYTES = 2**24
STOP, TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
MAX_DEPTH = 16


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
    unpacked = 0
    with path.open("rb") as stream:
        for group in range(metadata.num_row_groups):
            for place in range(metadata.num_columns):
                unpacked += _num_unpacked(stream, metadata.row_group(group).column(place))
                allowance.check_ratio(unpacked, num_bytes, source)
    allowance.take(max(values, unpacked))


def check_texts(table: pl.LazyFrame, path: Path, source: str, allowance: Allowance) -> None:
    """Refuse a table whose texts and bytes are beyond the limits once each stands in its row."""
    wanted = [
        length.cast(pl.UInt64)
        for name, dtype in table.collect_schema().items()
        if (length := _length(name, dtype)) is not None
    ]
    if not wanted:
        return
    sums = [one.sum().name.prefix("sum ") for one in wanted]
    most = [one.max().name.prefix("max ") for one in wanted]
    row = table.select(*sums, *most).collect(engine="streaming").row(0, named=True)
    for name, value in row.items():
        if name.startswith("max "):
            check_value_size(value or 0, f"each value of {name[4:]!r} of {source}")
    num_bytes = sum(value for name, value in row.items() if name.startswith("sum "))
    allowance.check_ratio(num_bytes, path.stat().st_size, source, ALWAYS_BYTES)
    allowance.take(num_bytes)


def _length(name: str, dtype: pl.DataType) -> pl.Expr | None:
    if dtype == pl.String:
        return pl.col(name).str.len_bytes()
    if dtype == pl.Binary:
        return pl.col(name).bin.size()
    return None


def _num_unpacked(stream: BinaryIO, column: Any) -> int:
    """Bytes of a column's pages as their headers have them."""
    start = column.data_page_offset
    if column.dictionary_page_offset:
        start = min(start, column.dictionary_page_offset)
    end = start + column.total_compressed_size
    total = 0
    while start < end:
        header, length = _header(stream, start)
        unpacked, packed = header.get(2), header.get(3)
        if (
            not isinstance(unpacked, int)
            or not isinstance(packed, int)
            or min(unpacked, packed) < 0
        ):
            raise ValueError(f"the header of the page at byte {start} is damaged")
        total += unpacked
        start += length + packed
    return total


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
