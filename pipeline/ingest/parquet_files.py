"""Parquet files with their types: numbers, text, booleans, dates and times."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.ingest.column_names import settled
from pipeline.ingest.delivery import disguise
from pipeline.ingest.limits import Allowance
from pipeline.ingest.parquet_sizes import check_pages
from pipeline.ingest.plain_types import plain
from pipeline.ingest.reading_settings import Reading


def parquet(
    path: Path,
    settings: Reading,
    source: str,
    allowance: Allowance,
    images: Collection[str] = (),
) -> pl.LazyFrame:
    """A parquet file as a lazy table; columns of several values a row are refused by name, but for
    `images`: they become bytes.

    Raises:
        ProjectError: it is damaged, has no rows, or more than `allowance` has left.
    """
    _check_ends(path, source)
    try:
        check_pages(path, source, allowance)
        table = pl.scan_parquet(path, glob=False)
        delivered = table.collect_schema().names()
        num_rows = table.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
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
