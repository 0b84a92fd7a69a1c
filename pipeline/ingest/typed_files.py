"""Parquet files and Excel sheets, with their types: numbers, text, booleans, dates and times."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.ingest.column_names import settled
from pipeline.ingest.delivery import disguise
from pipeline.ingest.plain_types import plain
from pipeline.ingest.reading_settings import Reading

MAX_TITLE_ROWS = 30


def parquet(
    path: Path, settings: Reading, source: str, images: Collection[str] = ()
) -> pl.LazyFrame:
    """A parquet file as a lazy table; columns of several values a row are refused by name, but for
    `images`: they become bytes."""
    _check_ends(path, source)
    try:
        table = pl.scan_parquet(path, glob=False)
        delivered = table.collect_schema().names()
        num_rows = table.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(source, str(error)) from None
    if not num_rows:
        raise no_rows(source)
    names = settled(delivered, len(delivered), settings, source)
    table = table.rename(dict(zip(delivered, names, strict=True)))
    for name in images:
        table = _as_bytes(table, name, source)
    return plain(table, f"ingest.source: {source}", images)


def _as_bytes(table: pl.LazyFrame, name: str, source: str) -> pl.LazyFrame:
    """The table with the column `name` as bytes, where it is a structure of `bytes` and `path`, as
    Hugging Face's data sets have images."""
    dtype = table.collect_schema().get(name)
    if not isinstance(dtype, pl.Struct) or {one.name for one in dtype.fields} != {"bytes", "path"}:
        return table
    content, path = (pl.col(name).struct.field(field) for field in ("bytes", "path"))
    num_bare = table.select((content.is_null() & path.is_not_null()).sum()).collect().item()
    if num_bare:
        raise ProjectError(
            f"columns.image: expected the bytes of each image in {name!r} of {source}, found "
            f"{num_bare} paths alone",
            hint="write the images into the file: `datasets` does with `embed_external_files`",
        )
    return table.with_columns(content.cast(pl.Binary).alias(name))


def _check_ends(path: Path, source: str) -> None:
    """Refuse what does not begin and end as parquet does, before polars says it in its words."""
    with path.open("rb") as stream:
        head = stream.read(4096)
        stream.seek(-min(4, path.stat().st_size), 2)
        tail = stream.read()
    if not head.startswith(b"PAR1"[: len(head)]):
        kind, advice = disguise(head) or ("other bytes", "is it csv? set `ingest.format: csv`")
        raise ProjectError(
            f"ingest.source: expected {source} to be a whole parquet file, found {kind}",
            hint=advice,
        )
    if tail != b"PAR1":
        raise _damaged(source, "its end is missing")


def _damaged(source: str, reason: str) -> ProjectError:
    return ProjectError(
        f"ingest.source: expected {source} to be a whole parquet file: {reason.splitlines()[0]}",
        hint="was the delivery cut short? compare its size with the sender's",
    )


def no_rows(source: str) -> ProjectError:
    return ProjectError(
        f"ingest.source: expected rows in {source}, found a header alone",
        hint="was the delivery cut short? ask for it again",
    )


def excel(path: Path, settings: Reading, source: str) -> pl.LazyFrame:
    """A sheet of an Excel workbook as a table."""
    workbook = _workbook(path, source)
    sheet = _sheet(list(workbook.sheet_names), settings, source)
    skipped = settings.skip_lines
    first = workbook.load_sheet(
        sheet, header_row=None, skip_rows=skipped, n_rows=1, dtypes="string"
    ).to_polars()
    if first.height == 0:
        raise ProjectError(
            f"ingest.sheet: expected rows in the sheet {sheet!r} of {source}, found none",
            hint=f"its sheets are {', '.join(map(repr, workbook.sheet_names))}",
        )
    delivered = [value or "" for value in first.row(0)] if settings.header else None
    names = settled(delivered, first.width, settings, source)
    table = workbook.load_sheet(
        sheet, header_row=None, skip_rows=skipped + settings.header, column_names=names
    ).to_polars()
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))
    if table.height == 0:
        raise no_rows(source)
    table = table.with_columns(_whole(table[name]) for name in names)
    return plain(table.lazy(), f"ingest.source: {source}")


def _whole(values: pl.Series) -> pl.Series:
    """Numbers as whole ones where all are: a sheet knows but one kind, and a code is no 1.0."""
    if values.dtype != pl.Float64:
        return values
    numbers = values.drop_nulls().to_numpy()
    is_whole = (abs(numbers) < 2**53) & (numbers % 1 == 0)
    return values.cast(pl.Int64) if is_whole.all() else values


def _sheet(sheets: list[str], settings: Reading, source: str) -> str:
    listed = ", ".join(map(repr, sheets))
    if settings.sheet is None and len(sheets) == 1:
        return sheets[0]
    if settings.sheet is None:
        raise ProjectError(
            f"ingest.sheet: expected the name of one of the {len(sheets)} sheets of {source}, "
            "found none",
            hint=f"name one in project.yaml: its sheets are {listed}",
        )
    if settings.sheet not in sheets:
        raise ProjectError(
            f"ingest.sheet: expected a sheet of {source}, got {settings.sheet!r}",
            hint=f"its sheets are {listed}",
        )
    return settings.sheet


def _workbook(path: Path, source: str) -> Any:
    import fastexcel

    logging.getLogger("fastexcel").setLevel(logging.ERROR)  # it tells of columns without a type
    try:
        return fastexcel.read_excel(path)
    except Exception as error:  # calamine's errors share no class
        with path.open("rb") as stream:
            kind, advice = disguise(stream.read(4096)) or ("", "")
        is_excel = "Excel" in kind
        reason = f"found {kind}" if kind and not is_excel else _first_line(error)
        raise ProjectError(
            f"ingest.source: expected {source} to be an Excel workbook: {reason}",
            hint="was it cut short, or is it protected with a password? save it again without"
            if is_excel or not advice
            else advice,
        ) from None


def _first_line(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0].removeprefix("calamine error: ")
    return "found no workbook" if "detect file format" in text else text


def best_sheet(path: Path, source: str) -> dict[str, Any]:
    """The keys that the sheet with the most rows needs: its name among several, title rows."""
    workbook = _workbook(path, source)
    sheets = {
        name: workbook.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars()
        for name in workbook.sheet_names
    }
    name = max(sheets, key=lambda name: sheets[name].height)
    found: dict[str, Any] = {"sheet": name} if len(sheets) > 1 else {}
    rows = sheets[name].head(MAX_TITLE_ROWS).rows()
    filled = [sum(bool(cell and cell.strip()) for cell in row) for row in rows]
    title = next((place for place, count in enumerate(filled) if count > 1), 0)
    return found | ({"skip_lines": title} if title else {})
