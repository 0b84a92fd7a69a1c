"""Put a project's raw folder under DVC, in this process."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def add_to_dvc(root: Path, raw: Path) -> None:
    """`dvc add`: the bytes go into DVC's cache; `raw.dvc` and .gitignore stand beside the folder,
    and what `raw.dvc` says of a remote stays. What was edited and dated back is read again."""
    from flows.graph.truth import Truth

    with opened(root) as repo:
        Truth(repo, root, raw.parent.name).correct(os.path.relpath(raw, root))
        repo.add(str(raw))


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Any]:
    """The DVC repository at `root`, silent, with its errors in our words."""
    from dvc.repo import Repo

    from flows.graph.plan import explained

    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    with explained(), contextlib.closing(Repo(str(root), _wait_for_lock=True)) as repo:
        repo.lock._friendly = False  # no progress bar while it waits
        yield repo
