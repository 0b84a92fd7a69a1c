"""What the sheets of a workbook (.xlsx, .xlsm, .ods) take, before a reader holds them in memory.

A sheet is held as a rectangle: a single cell at its far end makes gigabytes of kilobytes, and so do
repeated rows, entities and a member of the archive that unpacks without end. So every member is
unpacked once, in blocks, and the cells of the XML are counted.
"""

import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from pipeline.core.errors import ProjectError
from pipeline.ingest.limits import Allowance, check_zip_method
from pipeline.ingest.reading_settings import Reading

BLOCK_BYTES = 2**20
ALWAYS_CELLS = 1_000_000
"""A sheet may have so many, however few are filled."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
MAX_LETTERS, MAX_DIGITS = 3, 7
"""Of a cell's address: the last one is XFD1048576."""
SHEET = b"sheetData"
"""The element of a sheet's cells: no reader finds any without it."""
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    RuntimeError,  # zipfile's, of a password or an unknown compression
)


@dataclass
class Extent:
    """A sheet's size so far.

    Attributes:
        num_rows: Of the last filled cell, the first row being 1.
        num_columns: Of the last filled column, the first being 1.
        num_filled: Cells that hold anything.
    """

    num_rows: int = 0
    num_columns: int = 0
    num_filled: int = 0


def check_archive(path: Path, settings: Reading, source: str, allowance: Allowance) -> bool:
    """Refuse a workbook that unpacks to more than is allowed, or has a sheet of too many cells.

    Returns:
        Whether its cells were counted: those of .xlsb are not.

    Raises:
        ProjectError: it does, its XML is damaged or declares entities, or its archive is damaged.
    """
    num_bytes = path.stat().st_size
    unpacked, is_counted = 0, path.suffix.lower() != ".xlsb"
    try:
        with path.open("rb") as packed, zipfile.ZipFile(packed) as archive:
            for member in archive.infolist():
                check_zip_method(member, source)
                is_counted &= not member.filename.lower().endswith("workbook.bin")
                check = _check_of(member.filename, settings, source)
                member.file_size = 2**62  # what it says may be a lie: read to its true end
                before = unpacked
                with archive.open(member) as stream:
                    while block := stream.read(BLOCK_BYTES):
                        unpacked += len(block)
                        so_far = packed.tell() - member.header_offset
                        allowance.check_ratio(unpacked, num_bytes, source)
                        allowance.check_ratio(unpacked - before, so_far, source)
                        allowance.take(len(block))
                        check.feed(block)
                check.end()
    except DAMAGE as error:
        raise damaged(source, str(error)) from None
    return is_counted


def _check_of(name: str, settings: Reading, source: str) -> "_Xml | _Other":
    """How a member is looked at, by its name."""
    place = name.replace("\\", "/").lstrip("/").lower()
    if place == "content.xml" or (place.startswith("xl/") and place.endswith(".xml")):
        return _Xml(name, settings, source)
    return _Other(name, source)


class _Other:
    """A member that is not looked into, such as a picture; refused where it is a sheet.

    Args:
        name: Of the member.
        source: What messages call the workbook.
    """

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source = name, source
        self._end = b""

    def feed(self, block: bytes) -> None:
        if SHEET in self._end + block:
            raise damaged(self._source, f"a sheet lies in {self._name}, where none is expected")
        self._end = block[-len(SHEET) :]

    def end(self) -> None:
        pass


class _Xml:
    """One member's XML: without a document type, whole, its sheets within the limits.

    Args:
        name: Of the member.
        settings: The limits.
        source: What messages call the workbook.
    """

    def __init__(self, name: str, settings: Reading, source: str) -> None:
        self._name, self._settings, self._source = name, settings, source
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartDoctypeDeclHandler = self._refuse_entities
        self._extents: list[Extent] = [Extent()]
        self._end = b""
        if name.lower() == "content.xml":
            _count_repeated(self._parser, self._extents)

    def feed(self, block: bytes, is_last: bool = False) -> None:
        if not self._parser.StartElementHandler and SHEET in self._end + block:
            _count_cells(self._parser, self._extents[0])
        self._end = block[-len(SHEET) :]
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as error:
            raise damaged(self._source, f"{self._name}: {error}") from None

    def end(self) -> None:
        self.feed(b"", True)
        for extent in self._extents:
            self._check(extent)

    def _refuse_entities(self, *_: Any) -> None:
        raise ProjectError(
            f"ingest.source: expected plain XML in {self._source}, found a document type in "
            f"{self._name}: entities could make it large, or read other files",
            hint="no spreadsheet program writes one: who made this file? save it again as .xlsx",
        )

    def _check(self, extent: Extent) -> None:
        num_cells = extent.num_rows * extent.num_columns
        last = f"{_letters(extent.num_columns)}{extent.num_rows}"
        if num_cells > max(ALWAYS_CELLS, self._settings.max_ratio * extent.num_filled):
            raise ProjectError(
                f"ingest.source: expected a table in {self._name} of {self._source}, found "
                f"{extent.num_filled:,} filled cells spread as far as {last}: {num_cells:,} cells "
                "would be read",
                hint="a cell far from the others was filled by mistake: delete its row or column, "
                "save the workbook again; or set a larger `ingest.max_ratio`",
            )
        if num_cells > self._settings.max_cells:
            raise ProjectError(
                f"ingest.max_cells: expected at most {self._settings.max_cells:,} cells in "
                f"{self._name} of {self._source}, found {num_cells:,}, as far as {last}",
                hint="save the sheet as csv, which is read in parts; or set a larger "
                "`ingest.max_cells` in project.yaml, if there is the memory",
            )


def _count_cells(parser: Any, extent: Extent) -> None:
    """Have the parser count a sheet's cells by their addresses (.xlsx)."""
    row, column, address, columns = 0, 0, None, {}

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, address
        if name == "c":
            column += 1
            address = attributes.get("r", "")
        elif name == "v" or name == "is":
            if address is None:
                return
            if address:
                letters = address.rstrip(DIGITS)
                if letters not in columns:
                    columns[letters] = _column(letters)
                column = columns[letters]
                at = _number(address[len(letters) :] or 0)
            else:
                at = row
            address = None
            extent.num_filled += 1
            if at > extent.num_rows:
                extent.num_rows = at
            if column > extent.num_columns:
                extent.num_columns = column
        elif name == "row":
            row = _number(attributes.get("r", row + 1))
            column = 0
        elif ":" in name:
            start(name.rpartition(":")[2], attributes)

    parser.StartElementHandler = start


def _count_repeated(parser: Any, extents: list[Extent]) -> None:
    """Have the parser count the sheets' cells, with those that are repeated (.ods)."""
    row, column, repeats, is_filled = 0, 0, 1, False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, repeats, is_filled
        if name == "table:table":
            extents.append(Extent())
            row = column = 0
            repeats = 1
        elif name == "table:table-row":
            repeats = _number(attributes.get("table:number-rows-repeated", 1))
            row, column = row + repeats, 0
        elif name in ("table:table-cell", "table:covered-table-cell"):
            column += _number(attributes.get("table:number-columns-repeated", 1))
            is_filled = False
            if any(key.startswith(("office:", "table:formula")) for key in attributes):
                fill()
        elif name.startswith("text:"):
            fill()

    def fill() -> None:
        nonlocal is_filled
        extent = extents[-1]
        extent.num_filled += not is_filled
        is_filled = True
        extent.num_rows, extent.num_columns = (
            max(extent.num_rows, row),
            max(extent.num_columns, column),
        )

    parser.StartElementHandler = start


def _number(written: str | int) -> int:
    """A number of rows or columns; ValueError where it is larger than any, or none."""
    if len(str(written)) > MAX_DIGITS:
        raise ValueError("a number of rows or columns is larger than any sheet has")
    return int(written)


def _column(letters: str) -> int:
    """A column's number: A is 1, AA 27; ValueError where it is larger than any, or none."""
    if len(letters) > MAX_LETTERS:
        raise ValueError("the address of a cell is longer than any")
    number = 0
    for letter in letters.upper():
        number = number * 26 + LETTERS.index(letter) + 1
    return number


def _letters(number: int) -> str:
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = LETTERS[rest] + letters
    return letters


def damaged(source: str, reason: str) -> ProjectError:
    return ProjectError(
        f"ingest.source: expected {source} to be a whole Excel workbook: {reason}",
        hint="was the delivery cut short? open it, and save it again as .xlsx",
    )
