"""Take a snapshot of the source as it was delivered.

Reads: the source that `ingest.source` names (csv or parquet; a path, URL or bucket).
Writes: snapshot.parquet, profile.json.
Refuses when: the source is absent, empty, damaged, in another encoding, or its columns are not
the ones that `columns` names.
"""

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from pipeline.core.errors import ProjectError
from pipeline.core.files import write_json, write_parquet
from pipeline.core.modality import part
from pipeline.core.paths import Paths
from pipeline.core.project import Frozen, Project

SECTIONS = ("columns",)


class Settings(Frozen):
    source: str
    """A path below the project's folder, or a URL that fsspec opens (https://, s3://, …)."""
    format: Literal["auto", "csv", "parquet"] = "auto"
    """The source's format; `auto` goes by the name's ending."""
    separator: str = Field(",", pattern=r"^[\x00-\x7f]$")
    """What stands between two fields of a csv: one ASCII character."""
    encoding: str = "utf-8"
    """The csv's character encoding."""


def run(project: Project[Settings], paths: Paths) -> None:
    content = fetch(project.settings.source, paths.home)
    table = parse(content, project.settings)
    check_columns(table, project.columns.all, project.settings.source)
    profile = {
        "source": project.settings.source,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "rows": table.height,
        "columns": part(project.modality, "profile").columns(table),
    }
    write_parquet(paths.output("snapshot.parquet"), table)
    write_json(paths.output("profile.json"), profile)


def fetch(source: str, home: Path) -> bytes:
    """The source's bytes. A plain path is looked up below `home`, the project's folder."""
    import fsspec

    address = source if "://" in source else str(home / source)
    try:
        with fsspec.open(address, "rb") as stream:
            content: bytes = stream.read()
    except (FileNotFoundError, IsADirectoryError):
        raise ProjectError(
            f"ingest.source: expected a file at {address}, found none",
            hint="`dvc pull` fetches raw data; or correct `ingest.source` in project.yaml",
        ) from None
    except Exception as error:  # each file system has errors of its own
        raise ProjectError(f"ingest.source: {address} cannot be opened: {error}") from None
    if not content.strip():
        raise ProjectError(
            f"ingest.source: expected data in {address}, found an empty file",
            hint="`dvc checkout` restores a raw file that DVC knows",
        )
    return content


def parse(content: bytes, settings: Settings) -> pl.DataFrame:
    """The source's table. A csv's columns stay text, so that the snapshot is what was delivered."""
    kind = settings.format
    if kind == "auto":
        kind = "parquet" if settings.source.endswith((".parquet", ".pq")) else "csv"
    table = _parquet(content, settings) if kind == "parquet" else _csv(content, settings)
    if table.height == 0:
        raise ProjectError(
            f"ingest.source: expected rows in {settings.source}, found a header alone",
            hint="was the delivery cut short? ask for it again",
        )
    return table


def _parquet(content: bytes, settings: Settings) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ProjectError(
            f"ingest.source: expected {settings.source} to be a whole parquet file: "
            f"{str(error).splitlines()[0]}",
            hint="was the delivery cut short? compare its size with the sender's",
        ) from None


def _csv(content: bytes, settings: Settings) -> pl.DataFrame:
    try:
        text = content.decode(settings.encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ProjectError(
            f"ingest.source: expected {settings.source} in {settings.encoding}, "
            f"found other bytes in line {line}",
            hint="set `ingest.encoding`; latin-1 and cp1252 are the usual others",
        ) from None
    except LookupError:
        raise ProjectError(
            f"ingest.encoding: expected an encoding that Python knows, got {settings.encoding!r}",
            hint="for instance utf-8, latin-1, cp1252",
        ) from None
    text = text.rstrip("\r\n") + "\n"
    check_fields(text, settings)
    try:
        return pl.read_csv(
            text.encode(), infer_schema=False, separator=settings.separator, raise_if_empty=False
        )
    except pl.exceptions.PolarsError as error:
        raise ProjectError(
            f"ingest.source: {settings.source} cannot be read as csv: {str(error).splitlines()[0]}",
            hint="does every line have as many fields as the header? is `ingest.separator` right?",
        ) from None


def check_fields(text: str, settings: Settings) -> None:
    """Refuse a csv with a column twice, or with a row of more or fewer fields than the header.

    Polars would fill a short row with missing values, and a delivery that was cut short ends so.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=settings.separator)
    try:
        header = next(rows)
        for name, count in Counter(header).items():
            if count > 1:
                raise ProjectError(
                    f"{settings.source}: expected each column once, found {name!r} {count} times",
                    hint="rename or leave out the other one at its source",
                )
        for row in rows:
            if len(row) != len(header):
                raise ProjectError(
                    f"ingest.source: {settings.source}: expected {len(header)} fields in line "
                    f"{rows.line_num}, as in its header, found {len(row)}",
                    hint="was the delivery cut short? is `ingest.separator` right?",
                )
    except csv.Error as error:
        raise ProjectError(
            f"ingest.source: {settings.source} cannot be read as csv: line {rows.line_num}: {error}"
        ) from None


def check_columns(table: pl.DataFrame, expected: tuple[str, ...], source: str) -> None:
    """Refuse a delivery whose columns are not the expected ones, naming each that differs."""
    absent = [name for name in expected if name not in table.columns]
    extra = [name for name in table.columns if name not in expected]
    if absent or extra:
        raise ProjectError(
            f"{source}: expected the {len(expected)} columns that project.yaml names, "
            f"found {len(table.columns)}",
            findings=[f"missing column {name!r}" for name in absent]
            + [f"unknown column {name!r}" for name in extra],
            hint="give every column a role under `columns` (`drop` takes a reason), "
            "or ask the sender what changed",
        )
