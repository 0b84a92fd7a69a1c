"""Sheets of Excel workbooks with their types: numbers, text, booleans, dates and times."""

import logging
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.ingest import apart
from pipeline.ingest.column_names import settled
from pipeline.ingest.csv_text import packing
from pipeline.ingest.delivery import disguise
from pipeline.ingest.limits import Allowance
from pipeline.ingest.parquet_files import no_rows
from pipeline.ingest.plain_types import plain
from pipeline.ingest.reading_settings import Reading
from pipeline.ingest.workbook_sizes import check_archive, damaged

MAX_TITLE_ROWS = 30
PANIC = "PanicException"


def excel(path: Path, settings: Reading, source: str, allowance: Allowance) -> pl.LazyFrame:
    """A sheet of an Excel workbook as a table.

    Raises:
        ProjectError: it is no workbook, has no such sheet, or is beyond the limits.
    """
    if _is_checked(path, settings, source, allowance):
        table = sheet_of(path, settings, source)
    else:
        table = apart.sheet(path, settings, source)
    return plain(table.lazy(), f"ingest.source: {source}")


def _is_checked(path: Path, settings: Reading, source: str, allowance: Allowance) -> bool:
    """Whether the workbook's cells could be counted beforehand: those of binary formats are not.

    Raises:
        ProjectError: it is beyond the limits.
    """
    if packing(path) != "zip":
        allowance.take(path.stat().st_size)
        return False
    return check_archive(path, settings, source, allowance)


def sheet_of(path: Path, settings: Reading, source: str) -> pl.DataFrame:
    """The sheet that `settings` name, as a table."""
    workbook = _workbook(path, source)
    sheet = _sheet(list(workbook.sheet_names), settings, source)
    skipped = settings.skip_lines
    first = _loaded(workbook, source, sheet, skip_rows=skipped, n_rows=1, dtypes="string")
    if first.height == 0:
        raise ProjectError(
            f"ingest.sheet: expected rows in the sheet {sheet!r} of {source}, found none",
            hint=f"its sheets are {', '.join(map(repr, workbook.sheet_names))}",
        )
    delivered = [value or "" for value in first.row(0)] if settings.header else None
    names = settled(delivered, first.width, settings, source)
    table = _loaded(
        workbook, source, sheet, skip_rows=skipped + settings.header, column_names=names
    )
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))
    if table.height == 0:
        raise no_rows(source)
    return table.with_columns(_whole(table[name]) for name in names)


def _loaded(workbook: Any, source: str, sheet: str, **options: Any) -> pl.DataFrame:
    """Some rows of a sheet as they are; a reader that fails says so in words."""
    try:
        table: pl.DataFrame = workbook.load_sheet(sheet, header_row=None, **options).to_polars()
    except BaseException as error:  # calamine's errors share no class, a panic is no Exception
        if isinstance(error, Exception) or type(error).__name__ == PANIC:
            raise damaged(source, f"the sheet {sheet!r}: {_first_line(error)}") from None
        raise
    return table


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
    except BaseException as error:  # as above
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
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


def _first_line(error: BaseException) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0].removeprefix("calamine error: ")
    return "found no workbook" if "detect file format" in text else text


def best_sheet(path: Path, source: str) -> dict[str, Any]:
    """The keys that the sheet with the most rows needs: its name among several, title rows."""
    limits = Reading()
    if _is_checked(path, limits, source, Allowance(limits, source)):
        return best_sheet_of(path, source)
    return apart.best_sheet(path, limits, source)


def best_sheet_of(path: Path, source: str) -> dict[str, Any]:
    """As `best_sheet`, of a workbook that was looked at; one sheet at a time is in memory."""
    workbook = _workbook(path, source)
    name, num_rows, head = "", -1, pl.DataFrame()
    for one in workbook.sheet_names:
        table = _loaded(workbook, source, one, skip_rows=0, dtypes="string")
        if table.height > num_rows:
            name, num_rows, head = one, table.height, table.head(MAX_TITLE_ROWS).clone()
    found: dict[str, Any] = {"sheet": name} if len(workbook.sheet_names) > 1 else {}
    filled = [sum(bool(cell and cell.strip()) for cell in row) for row in head.rows()]
    title = next((place for place, count in enumerate(filled) if count > 1), 0)
    return found | ({"skip_lines": title} if title else {})
