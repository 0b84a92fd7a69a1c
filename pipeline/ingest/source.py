"""Open a delivered file: csv, parquet, Excel, a folder of them or of images, below a project or at
a URL.

A csv's columns stay text, cell for cell what was delivered; other formats keep their types.
"""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.ingest import csv_reading, delivery
from pipeline.ingest.delivery import Delivery
from pipeline.ingest.image_folder import images as image_folder
from pipeline.ingest.limits import Allowance
from pipeline.ingest.parquet_files import parquet
from pipeline.ingest.plain_types import plain
from pipeline.ingest.reading_settings import Reading
from pipeline.ingest.workbooks import excel

PARQUET = (".parquet", ".pq")
EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


@contextmanager
def opened(
    source: str, settings: Reading, home: Path, images: Collection[str] = ()
) -> Iterator[Delivery]:
    """What `source` holds: a path below `home`, a URL, or a folder of files of the same columns;
    beyond `home` where `settings.external` says so.

    The table can be collected, or written to a file, within the block. The columns `images` are
    bytes; no other may be.

    Raises:
        ProjectError: nothing is there, or it is not what `settings` say; the message names the
            file, the line or column, and what to do.
    """
    with ExitStack() as stack:
        path = stack.enter_context(delivery.local(source, home, settings))
        allowance = Allowance(settings, source)
        inside = None if settings.external or "://" in source else home
        if settings.format == "images":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            found = image_folder(path, folder, source, allowance, inside)
            yield replace(found, table=plain(found.table, f"ingest.source: {source}", images))
            return
        files = delivery.files(path)
        tables = []
        for number, file in enumerate(files):
            name = f"{source}/{file.name}" if path.is_dir() else source
            if inside:
                delivery.check_inside(file, inside, name)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(suffix=f".{number}")))
            tables.append(
                stack.enter_context(_scanned(file, settings, folder, name, images, allowance))
            )
        _check_same_columns(tables, [file.name for file in files], source)
        _check_bytes(tables[0].collect_schema(), images, source)
        yield Delivery(
            table=tables[0] if len(tables) == 1 else pl.concat(tables),
            sha256=delivery.digest(files),
            num_bytes=sum(file.stat().st_size for file in files),
        )


@contextmanager
def _scanned(
    file: Path,
    settings: Reading,
    folder: Path,
    source: str,
    images: Collection[str],
    allowance: Allowance,
) -> Iterator[pl.LazyFrame]:
    kind = format_of(file) if settings.format == "auto" else settings.format
    if kind == "csv":
        with csv_reading.scanned(file, settings, folder, source, allowance) as table:
            yield table
    elif kind == "parquet":
        yield parquet(file, settings, source, allowance, images)
    else:
        yield excel(file, settings, source, allowance)


def format_of(file: Path) -> str:
    """The format that a name's ending says; csv is what has no other."""
    ending = file.suffix.lower()
    return "parquet" if ending in PARQUET else "excel" if ending in EXCEL else "csv"


def _check_bytes(schema: pl.Schema, images: Collection[str], source: str) -> None:
    for name in images:
        if name in schema and schema[name] != pl.Binary:
            raise ProjectError(
                f"columns.image: expected images as bytes in the column {name!r} of {source}, "
                f"found {schema[name]}",
                hint="deliver a parquet file with the bytes themselves, or a folder of images with "
                "`ingest.format: images`",
            )


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
