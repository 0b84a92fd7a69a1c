"""Open a delivered file: csv, parquet, Excel, a folder of them, below a project or at a URL.

A csv's columns stay text, cell for cell what was delivered; other formats keep their types.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.core import csv_reading, delivery
from pipeline.core.errors import ProjectError
from pipeline.core.reading_settings import Reading
from pipeline.core.typed_files import excel, parquet

PARQUET = (".parquet", ".pq")
EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


@dataclass(frozen=True)
class Delivery:
    """A delivered file or folder.

    Attributes:
        table: Its rows, not read yet.
        sha256: Of its bytes as delivered.
        num_bytes: Its size.
    """

    table: pl.LazyFrame
    sha256: str
    num_bytes: int


@contextmanager
def opened(source: str, settings: Reading, home: Path) -> Iterator[Delivery]:
    """What `source` holds: a path below `home`, a URL, or a folder of files of the same columns.

    The table can be collected, or written to a file, within the block.

    Raises:
        ProjectError: nothing is there, or it is not what `settings` say; the message names the
            file, the line or column, and what to do.
    """
    with ExitStack() as stack:
        path = stack.enter_context(delivery.local(source, home))
        files = delivery.files(path)
        tables = []
        for number, file in enumerate(files):
            name = f"{source}/{file.name}" if path.is_dir() else source
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(suffix=f".{number}")))
            tables.append(stack.enter_context(_scanned(file, settings, folder, name)))
        _check_same_columns(tables, [file.name for file in files], source)
        yield Delivery(
            table=tables[0] if len(tables) == 1 else pl.concat(tables),
            sha256=delivery.digest(files),
            num_bytes=sum(file.stat().st_size for file in files),
        )


@contextmanager
def _scanned(file: Path, settings: Reading, folder: Path, source: str) -> Iterator[pl.LazyFrame]:
    kind = format_of(file) if settings.format == "auto" else settings.format
    if kind == "csv":
        with csv_reading.scanned(file, settings, folder, source) as table:
            yield table
    else:
        yield {"parquet": parquet, "excel": excel}[kind](file, settings, source)


def format_of(file: Path) -> str:
    """The format that a name's ending says; csv is what has no other."""
    ending = file.suffix.lower()
    return "parquet" if ending in PARQUET else "excel" if ending in EXCEL else "csv"


def _check_same_columns(tables: list[pl.LazyFrame], files: list[str], source: str) -> None:
    first = tables[0].collect_schema()
    for table, file in zip(tables[1:], files[1:], strict=True):
        schema = table.collect_schema()
        if schema == first:
            continue
        differing = [
            f"column {name!r} is {first.get(name, 'absent')} in {files[0]}, "
            f"{schema.get(name, 'absent')} in {file}"
            for name in dict.fromkeys((*first, *schema))
            if first.get(name) != schema.get(name)
        ]
        raise ProjectError(
            f"ingest.source: expected the files of {source} to have the same columns, "
            f"found others in {file} than in {files[0]}",
            findings=differing or ["the same columns in another order"],
            hint="deliver them alike, or name one file",
        )
