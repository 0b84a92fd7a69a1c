"""A csv as a lazy table of text: cell for cell what was delivered."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.ingest.column_names import settled
from pipeline.ingest.csv_fields import (
    Dialect,
    check_separator,
    check_text,
    num_rows,
    records,
    too_long,
    unclosed,
)
from pipeline.ingest.csv_text import as_utf8, narrowed
from pipeline.ingest.delivery import BLOCK_BYTES
from pipeline.ingest.limits import Allowance, check_num_columns
from pipeline.ingest.reading_settings import Reading

QUOTES = {"double": b'"', "single": b"'", "none": b""}


@contextmanager
def scanned(
    path: Path, settings: Reading, folder: Path, source: str, allowance: Allowance | None = None
) -> Iterator[pl.LazyFrame]:
    """The csv as a lazy table that can be collected within the block.

    Args:
        path: The file as delivered.
        settings: How it is written.
        folder: Where its unpacked copy is kept for the block.
        source: What messages call it.
        allowance: What may still be read, where the file is one of several.

    Raises:
        ProjectError: it is no csv as `settings` describe it, or beyond their limits; the message
            names the line.
    """
    allowance = allowance or Allowance(settings, source)
    with as_utf8(path, settings, folder, source, allowance) as text:
        dialect = dialect_of(text, settings)
        offset = _skip(text, settings.skip_lines, source)
        first = first_record(text, dialect, offset, settings.skip_lines + 1, source)
        fields = fields_of(first, dialect)
        if not settings.names:
            check_separator(fields, dialect.separator.decode(), source)
        delivered = fields if settings.header else None
        num_columns = len(fields)
        check_num_columns(num_columns, source)
        if settings.header and len(settings.names) == num_columns + 1:
            num_columns += 1  # R leaves out the name of its row names
        names = settled(delivered, num_columns, settings, source)
        num_lines = settings.skip_lines
        if settings.header:
            offset += len(first)
            num_lines += first.count(dialect.line_end)
        rows = num_rows(text, dialect, offset, num_lines + 1, num_columns, source)
        if not rows:
            raise ProjectError(
                f"ingest.source: expected rows in {source}, found a header alone",
                hint="was the delivery cut short? ask for it again",
            )
        yield pl.scan_csv(
            text,
            has_header=False,
            separator=dialect.separator.decode(),
            quote_char=dialect.quote.decode() or None,
            eol_char=dialect.line_end.decode(),
            skip_lines=num_lines,
            new_columns=names,
            n_rows=rows,
            infer_schema=False,
            glob=False,
        )


def dialect_of(text: Path, settings: Reading) -> Dialect:
    """How the csv is written. Only where no line feed is near does a carriage return end a line."""
    with text.open("rb") as stream:
        head = stream.read(BLOCK_BYTES)
    separator = b" " if settings.separator == "whitespace" else settings.separator.encode()
    line_end = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
    return Dialect(separator, QUOTES[settings.quote], line_end)


def header_names(text: str, settings: Reading) -> list[str]:
    """The names in the header of a csv that begins with these whole lines; none without one."""
    lines = text.splitlines(keepends=True)[settings.skip_lines :]
    if not settings.header or not lines:
        return []
    separator = b" " if settings.separator == "whitespace" else settings.separator.encode()
    content = narrowed(lines[0].encode()) if settings.separator == "whitespace" else b""
    dialect = Dialect(separator, QUOTES[settings.quote], b"\n")
    return fields_of(content or "".join(lines).encode(), dialect)


def _skip(text: Path, num_lines: int, source: str) -> int:
    """Where the line after the first `num_lines` begins, in bytes."""
    with text.open("rb") as stream:
        for _ in range(num_lines):
            if not stream.readline(BLOCK_BYTES):
                raise ProjectError(
                    f"ingest.skip_lines: expected more than {num_lines} lines in {source}",
                    hint="lower `ingest.skip_lines`",
                )
        return stream.tell()


def first_record(text: Path, dialect: Dialect, offset: int, line: int, source: str) -> bytes:
    """The bytes of the first record at `offset`, its line end included where it has one."""
    with text.open("rb") as stream:
        stream.seek(offset)
        block = stream.read(BLOCK_BYTES)
    is_whole = len(block) < BLOCK_BYTES
    found = records(block + dialect.line_end if is_whole else block, dialect)
    if not found.end:
        quoted = dialect.opens_in(block)
        raise unclosed(line, source) if quoted else too_long(line, source, BLOCK_BYTES)
    end = min(int(found.starts[1]) if len(found.starts) > 1 else found.end, len(block))
    check_text(block[:end], line, source)
    return block[:end]


def fields_of(record: bytes, dialect: Dialect) -> list[str]:
    """The fields of one record."""
    text = record.decode("utf-8-sig").rstrip("\r\n")
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.separator.decode(),
        quotechar=dialect.quote.decode() or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )
    try:
        return next(reader, [])
    except csv.Error:
        raise ProjectError(
            "ingest.source: expected fields of at most "
            f"{csv.field_size_limit():,} characters in the first line, found a longer one",
            hint="is it a table? is `ingest.separator` right?",
        ) from None
