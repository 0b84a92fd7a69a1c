"""How a delivered file is to be read: the keys of `ingest` that a format needs."""

from typing import Literal

from pydantic import Field

from pipeline.core.settings.typed_settings import Frozen


class Reading(Frozen):
    format: Literal["auto", "csv", "parquet", "excel", "images"] = "auto"
    """The source's format; `auto` goes by the name's ending, and csv is what has no other. `images`
    is a folder with one of images for each class: `<class>/<name>.png`."""
    separator: str = Field(",", pattern=r"^([\x00-\x7f]|whitespace)$")
    """What stands between two fields of a csv: one ASCII character, or `whitespace` for blanks and
    tabs, however many."""
    quote: Literal["double", "single", "none"] = "double"
    """What stands around a csv's fields that hold a separator or a line end; `none`: nothing."""
    encoding: str = "utf-8"
    """The csv's character encoding."""
    header: bool = True
    """Whether the first line of a csv or a sheet names the columns; else they are `column_1`, …"""
    names: tuple[str, ...] = ()
    """The columns' names in the file's order, in place of its own; one more than a header has where
    R has left out that of the row names."""
    skip_lines: int = Field(0, ge=0)
    """How many lines of a csv, or rows of a sheet, stand above the header, such as a title."""
    sheet: str | None = None
    """The sheet of an Excel workbook; needed where it has several."""
    duplicate_names: Literal["refuse", "number"] = "refuse"
    """What becomes of names that stand twice or are empty: the second `name` becomes `name_2`, and
    an empty one `column_` with its position."""
    max_bytes: int = Field(8 * 2**30, ge=1, json_schema_extra={"unit": "bytes"})
    """Most bytes that the source may have, unpacked, all its files together; more is refused before
    it is kept anywhere."""
    max_ratio: int = Field(200, ge=1, json_schema_extra={"unit": "bytes unpacked per packed byte"})
    """How many times its own size a packed file, a workbook or a parquet file may unpack to, above
    the first 64 MiB; what is beyond is taken for a decompression bomb."""
    max_cells: int = Field(50_000_000, ge=1, json_schema_extra={"unit": "cells"})
    """Most cells of a workbook's sheet, its last row times its last column: a sheet is held in
    memory as a whole, some 50 bytes a cell."""
    external: bool = False
    """Whether the source may lie outside of the project's folder: an absolute path, one with `..`,
    a link that leads out, a `file://` URL. DVC does not see when such a file changes."""
