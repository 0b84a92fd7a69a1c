"""The data that a project is made of, as one file on this machine."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.init.describe import Told
from flows.init.request import Wanted

AWKWARD = re.compile(r"[^\w.()+ -]|^\.+")
"""What a file's name in the repository does without: what shells and globs take for their own."""


@contextmanager
def local_file(wanted: Wanted, told: Told) -> Iterator[Path]:
    """The file that was named, or a query's answer as parquet in a folder that is gone afterwards.

    Raises:
        ProjectError: the database does not answer.
    """
    if wanted.query is None:
        yield Path(wanted.source)
        return
    from pipeline.core.files import write_parquet
    from pipeline.onboarding.reading.sql import query_table

    with tempfile.TemporaryDirectory() as folder:
        told("asking the database")
        target = Path(folder) / f"{wanted.name}.parquet"
        write_parquet(target, query_table(wanted.source, wanted.query))
        yield target


def safe_name(name: str) -> str:
    """A file's name as it stands below raw/: `what*?.csv` → `what__.csv`."""
    return AWKWARD.sub("_", name)
