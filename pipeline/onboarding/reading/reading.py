"""Read a file that nobody has described yet: how it is written, and what it holds."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.ingest import csv_reading
from pipeline.ingest.column_names import numbered
from pipeline.ingest.csv_reading import header_names
from pipeline.ingest.csv_text import check_disguise, decoded, head_of, packing, unpacked
from pipeline.ingest.delivery import files
from pipeline.ingest.limits import Allowance
from pipeline.ingest.reading_settings import Reading
from pipeline.ingest.source import format_of, opened
from pipeline.ingest.workbooks import best_sheet
from pipeline.onboarding.reading.csv_encoding import encoding_of
from pipeline.onboarding.reading.csv_guess import guessed

SAMPLE_BYTES = 2**20


def read(source: str, settings: Reading, home: Path, images: Collection[str] = ()) -> pl.DataFrame:
    """The table that `source` holds: a path beside `home`, a URL, or a folder of files; the columns
    `images` as bytes. A person has named it, so that it may be a link to anywhere.

    Raises:
        ProjectError: nothing is there, or it is not what `settings` say.
    """
    anywhere = settings.model_copy(update={"external": True})
    with opened(source, anywhere, home, images) as delivered:
        return delivered.table.collect()


def detect(file: Path) -> dict[str, Any]:
    """The keys of `ingest` with which this file, or the first of this folder, can be read.

    Only those that differ from the defaults; `said` tells a person what they mean.

    Raises:
        ProjectError: the file is empty, or nothing that is read here.
    """
    first = files(file)[0]
    named = format_of(first)
    kind = _format_by_content(first) or named
    found: dict[str, Any] = {} if kind == named else {"format": kind}
    if kind == "csv":
        found |= _of_csv(first)
    elif kind == "excel":
        found |= best_sheet(first, file.name)
    return found


def _format_by_content(file: Path) -> str:
    """The format that the first bytes show; empty where they show none."""
    head = head_of(file)
    if head.startswith(b"PAR1"):
        return "parquet"
    is_office = packing(file) == "zip" and (b"[Content_Types].xml" in head or b"xl/" in head)
    if is_office or head.startswith(b"\xd0\xcf\x11\xe0"):
        return "excel"
    return ""


def _of_csv(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    encoding = encoding_of(partial(_blocks, file))
    if encoding != "utf-8":
        found["encoding"] = encoding
    text = _first_lines(file, encoding)
    check_disguise(text[:4096].encode(), file.name)
    found |= guessed(text)
    names = [name.strip() for name in header_names(text, Reading.model_validate(found))]
    if "names" not in found and names != numbered(names):
        found["duplicate_names"] = "number"
    return found | _quotes_as_text(file, found)


def _blocks(file: Path) -> Iterator[bytes]:
    return unpacked(file, file.name, Allowance(Reading(), file.name))


def _quotes_as_text(file: Path, found: dict[str, Any]) -> dict[str, Any]:
    """That quotes are text, where the whole file can be read with that alone."""
    plain = {"quote": "none"}
    if not _is_readable(file, found) and _is_readable(file, found | plain):
        return plain
    return {}


def _is_readable(file: Path, found: dict[str, Any]) -> bool:
    settings = Reading.model_validate(found)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with csv_reading.scanned(file, settings, Path(folder), file.name):
                return True
        except ProjectError:
            return False


def _first_lines(file: Path, encoding: str) -> str:
    """Whole lines from the beginning, with line feeds at their ends."""
    content = b""
    for block in decoded(_blocks(file), encoding, file.name):
        content += block
        if len(content) > SAMPLE_BYTES:
            content = content[: content.rfind(b"\n", 0, SAMPLE_BYTES) + 1 or SAMPLE_BYTES]
            break
    text = content.decode("utf-8", "ignore").removeprefix("\ufeff")
    return text if "\n" in text else text.replace("\r", "\n")


def said(found: Mapping[str, Any]) -> list[str]:
    """What `detect` took for granted and a person should look at, a sentence each."""
    sentences = {
        "header": "its first line looks like the lines below it, so that the columns are called "
        "column_1, column_2, …: `ingest.names` names them, `ingest.header: true` takes the first "
        "line for names",
        "names": "its header has one name too few, as R leaves out that of the row names: the "
        f"first column is called {(found.get('names') or ['row_name'])[0]!r}",
        "encoding": f"its bytes are no UTF-8 and were taken for {found.get('encoding')}: look at "
        "a name with an accent, `ingest.encoding` sets another",
        "duplicate_names": "some column names stand twice or are empty: the second `name` is "
        "called name_2, an empty one column_ with its position",
        "skip_lines": "what stands above the header is left out (lines: "
        f"{found.get('skip_lines')}): `ingest.skip_lines`",
        "quote": '`"` is not what stands around its fields: `ingest.quote`',
        "sheet": f"of its sheets {found.get('sheet')!r} has the most rows and is read: "
        "`ingest.sheet` names another",
    }
    return [sentence for key, sentence in sentences.items() if key in found]
