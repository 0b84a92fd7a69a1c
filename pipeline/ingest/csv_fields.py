"""Whether each row of a csv has as many fields as its header, and which line has not.

Polars fills a short row with missing values, and a delivery that was cut short ends so. What is
counted here are bytes, block by block: no row is looked at by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import ProjectError
from pipeline.ingest.delivery import BLOCK_BYTES
from pipeline.ingest.limits import MAX_RECORD_BYTES, size

SEPARATORS = (",", ";", "\t", "|")
BOMS = (b"\xff\xfe", b"\xfe\xff")
"""How a text in UTF-16 begins."""


@dataclass(frozen=True)
class Dialect:
    """How a csv in UTF-8 is written.

    Attributes:
        separator: One byte between two fields.
        quote: One byte around a field that holds separators or line ends; empty: none.
        line_end: One byte: a line feed, or the carriage return of old.
    """

    separator: bytes
    quote: bytes
    line_end: bytes

    def opens_in(self, block: bytes) -> bool:
        """Whether there is a quote in it that could hide its line ends."""
        return bool(self.quote) and self.quote in block


@dataclass(frozen=True)
class Records:
    """The whole records of a block; `num_fields` is 0 where a line is blank.

    Attributes:
        starts: Position of each record's first byte, shape (records,).
        num_fields: Fields of each record, shape (records,).
        end: Where the last one ends, its line end included.
        stray: Position of the first quote that polars would not take as one; None if none is.
    """

    starts: NDArray[np.int64]
    num_fields: NDArray[np.int64]
    end: int
    stray: int | None


def records(block: bytes, dialect: Dialect) -> Records:
    """Find the records of a block that begins with one."""
    data = np.frombuffer(block, np.uint8)
    separator, line_end = dialect.separator[0], dialect.line_end[0]
    marks = np.flatnonzero((data == separator) | (data == line_end))
    outer, quotes = marks, None
    if dialect.quote and dialect.quote in block:
        is_quote = data == dialect.quote[0]
        quotes = np.flatnonzero(is_quote)
        outer = marks[np.cumsum(is_quote, dtype=np.uint8)[marks] & 1 == 0]
    positions = np.flatnonzero(data[outer] == line_end)
    ends = outer[positions]
    if not len(ends):
        return Records(ends, positions, 0, None)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts
    is_blank = (lengths == 0) | ((lengths == 1) & (data[starts] == ord("\r")))
    num_fields = np.where(is_blank, 0, np.diff(positions, prepend=-1))
    end = int(ends[-1]) + 1
    stray = None
    if quotes is not None:
        stray = _stray_quote(data, quotes[quotes < end], marks, dialect)
    return Records(starts, num_fields, end, stray)


def _stray_quote(
    data: NDArray[np.uint8], quotes: NDArray[np.int64], marks: NDArray[Any], dialect: Dialect
) -> int | None:
    """The first quote that opens within a field and hides a separator, or closes before its end.

    A doubled quote closes and opens again: what holds for the first of such a chain holds for all.
    """
    opens, closes = quotes[0::2], quotes[1::2]
    if not len(opens):
        return None
    quote, bounds = dialect.quote[0], (dialect.separator[0], dialect.line_end[0])
    before = np.where(opens == 0, bounds[1], data[opens - 1])
    order = np.arange(len(opens))
    chain = np.maximum.accumulate(np.where((before != quote) | (order == 0), order, 0))
    is_field = np.isin(before, bounds)[chain]
    after = data[closes + 1]
    ends_early = is_field & ~np.isin(after, (*bounds, quote, ord("\r")))
    inner = np.flatnonzero(~is_field)
    hidden = np.searchsorted(marks, closes[inner]) - np.searchsorted(marks, opens[inner])
    found = [*closes[ends_early][:1], *opens[inner[hidden > 0]][:1]]
    return int(min(found)) if found else None


def blocks(path: Path, dialect: Dialect, offset: int) -> Iterator[tuple[bytes, Records]]:
    """A file's bytes from `offset` on, cut where records end; a line end is added to the last.

    What stays open at the end of the file, or for longer than any record is, comes without records.
    """
    carry = b""
    with path.open("rb") as stream:
        stream.seek(offset)
        while chunk := stream.read(BLOCK_BYTES):
            block = carry + chunk
            found = records(block, dialect)
            if found.end:
                yield block[: found.end], found
            carry = block[found.end :]
            if len(carry) > MAX_RECORD_BYTES:
                yield carry, records(carry, dialect)
                return
    if carry:
        block = carry + dialect.line_end
        yield block, records(block, dialect)


def num_rows(
    path: Path, dialect: Dialect, offset: int, first_line: int, num_fields: int, source: str
) -> int:
    """How many records there are from `offset` on; blank lines at the end are none.

    Args:
        path: The csv in UTF-8.
        dialect: How it is written.
        offset: Where the first record begins, in bytes.
        first_line: Which line that is.
        num_fields: What each must have.
        source: The file's name in messages.

    Raises:
        ProjectError: a record has more or fewer fields, or bytes that are no text.
    """
    line, total, blank_line = first_line, 0, 0
    for block, found in blocks(path, dialect, offset):
        check_text(block, line, source)
        if found.stray is not None:
            raise _stray(line + block.count(dialect.line_end, 0, found.stray), source)
        if found.end < len(block):
            raise unclosed(line, source) if dialect.opens_in(block) else too_long(line, source)
        wrong = np.flatnonzero(found.num_fields != num_fields)
        last = np.flatnonzero(found.num_fields)[-1:]
        if len(last) and blank_line:
            raise _ragged(num_fields, 0, blank_line, source, False)
        if len(wrong):
            first = int(wrong[0])
            here = line + block.count(dialect.line_end, 0, int(found.starts[first]))
            if (len(last) and first < last[0]) or found.num_fields[first]:
                raise _ragged(
                    num_fields, int(found.num_fields[first]), here, source, here == first_line
                )
            blank_line = blank_line or here
            total += first
        else:
            total += len(found.num_fields)
        line += block.count(dialect.line_end)
    return total


def check_separator(fields: list[str], separator: str, source: str) -> None:
    """Refuse a first line in one field that another separator would divide."""
    others = [one for one in SEPARATORS if one != separator and fields[0].count(one) > 0]
    if len(fields) == 1 and others:
        likely = max(others, key=fields[0].count)
        raise ProjectError(
            f"ingest.source: {source}: expected fields with {separator!r} between them in the "
            f"first line, found one field with {fields[0].count(likely)} times {likely!r} in it",
            hint="set `ingest.separator: {}`".format({"\t": r'"\t"'}.get(likely, f'"{likely}"')),
        )


def check_text(block: bytes, line: int, source: str) -> None:
    """Refuse bytes that are not UTF-8, and those of a text that is none."""
    try:
        block.decode()
    except UnicodeDecodeError as error:
        raise not_in(
            "utf-8",
            line + block.count(b"\n", 0, error.start),
            source,
            "utf-16" if block.startswith(BOMS) else "",
        ) from None
    position = block.find(b"\x00")
    if position >= 0:
        line += block.count(b"\n", 0, position)
        raise ProjectError(
            f"ingest.source: expected text in {source}, found a NUL byte in line {line}",
            hint="a text in UTF-16 has them: set `ingest.encoding: utf-16`; else the file was "
            "damaged on its way: ask for it again",
        )


def not_in(encoding: str, line: int, source: str, likely: str = "") -> ProjectError:
    return ProjectError(
        f"ingest.source: expected {source} in {encoding}, found other bytes in line {line}",
        hint=f"it begins as a text in {likely} does: set `ingest.encoding: {likely}`"
        if likely
        else "set `ingest.encoding`; latin-1 and cp1252 are the usual others",
    )


def _stray(line: int, source: str) -> ProjectError:
    return ProjectError(
        f"ingest.source: {source} cannot be read as csv: a quote in line {line} stands neither "
        "at the beginning nor at the end of its field",
        hint="is another quote missing before it? `ingest.quote: none` takes quotes as text; is "
        "`ingest.separator` right?",
    )


def unclosed(line: int, source: str) -> ProjectError:
    return ProjectError(
        f"ingest.source: {source} cannot be read as csv: a quote that opens in line {line} or "
        "after it is never closed",
        hint="was the delivery cut short? `ingest.quote: none` takes quotes as text; is "
        "`ingest.separator` right?",
    )


def too_long(line: int, source: str, most: int = MAX_RECORD_BYTES) -> ProjectError:
    return ProjectError(
        f"ingest.source: expected lines of at most {size(most)} in {source}, found "
        f"a longer one, line {line}",
        hint="is it a table, and was it damaged on its way? its lines end with a line feed",
    )


def _ragged(expected: int, found: int, line: int, source: str, is_first: bool) -> ProjectError:
    hint = "was the delivery cut short? is `ingest.separator` right?"
    if not found:
        hint = "a blank line stands between rows: take it out, or was the delivery damaged?"
    elif is_first and found == expected + 1 > 2:
        hint = "R leaves out the name of the row names: name all columns in `ingest.names`"
    elif is_first and found > expected:
        hint = (
            "is `ingest.separator` right? lines above the header are left out by "
            "`ingest.skip_lines: N`"
        )
    return ProjectError(
        f"ingest.source: {source}: expected {expected} fields in line {line}, as in the first, "
        f"found {found}",
        hint=hint,
    )
