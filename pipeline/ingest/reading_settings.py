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
