"""A new delivery before it is taken: fetched to this machine, read as `ingest` is set, measured."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.errors import ProjectError
from pipeline.ingest.delivery import digest, files
from pipeline.ingest.reading_settings import Reading


def digest_of(source: Path) -> str:
    """The SHA-256 of a file's bytes, or of a folder's files."""
    return digest(files(source))


@contextlib.contextmanager
def local_delivery(
    delivered: str,
    query: str | None,
    target: Path,
    home: Path,
    settings: Reading = Reading(),  # noqa: B008 -- it is frozen
) -> Iterator[Path]:
    """The delivery as a file, which may lie anywhere; a query's answer becomes parquet."""
    import tempfile

    from pipeline.core.files import write_parquet
    from pipeline.ingest.delivery import local
    from pipeline.onboarding.reading.sql import query_table, without_user

    if query is None:
        if delivered.startswith(("postgres", "sqlite:", "mysql", "mssql", "oracle")):
            raise ProjectError(
                "expected a query for a database, got its URL alone",
                hint="--query 'SELECT * FROM people'",
            )
        if "://" in delivered and without_user(delivered) != delivered:
            raise ProjectError(
                f"expected a URL without user and password, got {without_user(delivered)}",
                hint="they would stand in messages: download the file first",
            )
        with local(delivered, home, _external(settings)) as file:
            yield file
        return
    if target.suffix not in (".parquet", ".pq"):
        raise ProjectError(
            f"expected the raw file of a query's answers to be parquet, `ingest.source` names "
            f"{target.name}",
            hint="set `ingest.source: raw/NAME.parquet`",
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / target.name
        write_parquet(file, query_table(delivered, query, settings.max_bytes))
        yield file


def measured(
    settings: Reading,
    file: Path,
    home: Path,
    images: tuple[str, ...],
    like: Path | None = None,
) -> tuple[int, int]:
    """Rows and bytes of what can be read as the project says, or is refused as `ingest` would;
    with `like`, the raw file in whose place it comes, it may lie anywhere."""
    import polars as pl

    from pipeline.ingest.source import format_of, opened

    if like is not None:
        settings = _external(settings)
        if settings.format == "auto":
            settings = settings.model_copy(update={"format": format_of(like)})
    with opened(str(file), settings, home, images) as found:
        return found.table.select(pl.len()).collect().item(), found.num_bytes


def _external(settings: Reading) -> Reading:
    """Settings for a file that a person has named on the command line: its copy is what is kept."""
    return settings.model_copy(update={"external": True})
