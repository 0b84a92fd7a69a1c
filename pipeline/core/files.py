"""Reading and writing files: whole or not at all.

Everything is written to a temporary file beside its target, then renamed, so that a reader
never meets half a file and a failure leaves what was there before.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import ArtifactMissing

ROW_GROUP_SIZE = 250_000
ROW_GROUP_BYTES = 16 * 2**20

if TYPE_CHECKING:  # polars takes half a second to import, and the command line needs no table
    import polars as pl


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it to `target` when the block ends well.

    Who may read it is what the process's umask says, as for any file that is newly made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, content: Any) -> None:
    """Write JSON with a stable layout: the same content gives the same bytes. NaN is an error."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(source: Path) -> Any:
    """Read JSON; raise ArtifactMissing when the file is absent or damaged."""
    try:
        return json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise missing(source) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise damaged(source, "JSON", error) from None


def write_parquet(target: Path, table: "pl.DataFrame") -> None:
    with replacing(target) as temporary:
        table.write_parquet(temporary, compression="zstd", statistics=True)


def write_in_groups(target: Path, table: "pl.DataFrame") -> None:
    """Write a table in row groups that are small beside the memory of who reads them in part."""
    row_bytes = sum(_num_bytes(column) for column in table) // max(table.height, 1)
    size = min(ROW_GROUP_SIZE, max(1024, ROW_GROUP_BYTES // max(row_bytes, 1)))
    with replacing(target) as temporary:
        table.write_parquet(temporary, compression="zstd", statistics=True, row_group_size=size)


def _num_bytes(column: "pl.Series") -> int:
    """Of a column's values, whatever memory lies behind them."""
    import polars as pl

    if column.dtype == pl.String:
        return int(column.str.len_bytes().sum())
    if column.dtype == pl.Binary:
        return int(column.bin.size().sum() or 0)
    return 8 * column.len()


def sink_parquet(target: Path, table: "pl.LazyFrame") -> None:
    """Write a table that does not fit into memory, or need not; rows keep their order."""
    with replacing(target) as temporary:
        table.sink_parquet(
            temporary, compression="zstd", statistics=True, row_group_size=ROW_GROUP_SIZE
        )


def scan_parquet(source: Path) -> "pl.LazyFrame":
    """A table to be read in part; raise ArtifactMissing as `read_parquet` does."""
    import polars as pl

    if not source.is_file():
        raise missing(source)
    try:
        table = pl.scan_parquet(source)
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(source, "parquet", error) from None
    return table


def read_parquet(source: Path, columns: list[str] | None = None) -> "pl.DataFrame":
    """Read a table; raise ArtifactMissing when the file is absent, damaged or lacks a column."""
    import polars as pl

    if not source.is_file():
        raise missing(source)
    try:
        return pl.read_parquet(source, columns=columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(source, "parquet", error) from None


def missing(source: Path) -> ArtifactMissing:
    return ArtifactMissing(
        f"expected the file {source}, found none",
        hint="`dvc pull` fetches raw data, `hallmark build` makes what is derived from them",
    )


def damaged(source: Path, kind: str, error: Exception) -> ArtifactMissing:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ArtifactMissing(
        f"expected {source} to be a whole {kind} file, reading it failed: {reason}",
        hint="delete the file and run `dvc checkout`; if it comes back damaged, the cache is: "
        "delete .dvc/cache (raw data come back by `dvc pull`, the rest by building again)",
    )
