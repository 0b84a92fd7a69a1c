"""Take a snapshot of the source as it was delivered.

Reads: the source that `ingest.source` names (csv, parquet or Excel; a path, folder or URL; a folder
of images by class).
Writes: snapshot.parquet, profile.json.
Refuses when: the source is absent, empty, damaged, in another encoding, or has a column of a name
that stages add. Whether its columns are the expected ones `validate` decides.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.core.files import sink_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import RESERVED
from pipeline.core.settings.modality import part
from pipeline.core.settings.project import Project
from pipeline.ingest.reading_settings import Reading
from pipeline.ingest.source import opened

SECTIONS = ("columns",)


class Settings(Reading):
    source: str
    """A file or folder below the project's folder, or a URL that fsspec opens (https://, s3://)."""


def run(project: Project[Settings], paths: Paths) -> None:
    source = project.settings.source
    snapshot = paths.output("snapshot.parquet")
    with opened(source, project.settings, paths.home, project.columns.images) as delivered:
        check_names(delivered.table.collect_schema().names(), source)
        sink_parquet(snapshot, delivered.table)
    columns = project.columns
    withheld = [name for name in (columns.identifier, columns.text) if name]
    content = {
        "source": source,
        "sha256": delivered.sha256,
        "bytes": delivered.num_bytes,
        "rows": pl.scan_parquet(snapshot).select(pl.len()).collect().item(),
        "columns": profile(snapshot, part(project.modality, "data.profile"), withheld),
    }
    if delivered.num_left_out:
        content["files_left_out"] = delivered.num_left_out
    write_json(paths.output("profile.json"), content)


def profile(snapshot: Path, kind: Any, withheld: Collection[str] = ()) -> list[dict[str, Any]]:
    """What each column of the snapshot holds, but for values of those `withheld`; one at a time
    is in memory."""
    names = pl.scan_parquet(snapshot).collect_schema().names()
    return [kind.columns(pl.read_parquet(snapshot, columns=[name]), withheld)[0] for name in names]


def check_names(found: list[str], source: str) -> None:
    """Refuse a column of a name that stages add."""
    for name in RESERVED:
        if name in found:
            raise ProjectError(
                f"{source}: expected no delivered column {name!r}: stages add one of this name",
                hint=f"rename the delivered column {name!r} at its source",
            )
