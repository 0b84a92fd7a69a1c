"""Half files that DVC leaves in its cache when it is killed or the disk is full.

It copies to `.NAME.tmp` beside the target and renames that; nothing else ever removes it.
"""

import contextlib
import os
import re
from pathlib import Path

import psutil

from flows.engine.locks import cache_alone
from flows.graph.outputs import cache_folder
from flows.graph.plan import explained

_HALF = re.compile(r"\.[\w-]{22}\.tmp")


def remove_leftovers(root: Path, local: Path) -> int:
    """Remove the half files that no living process writes; return how many there were.

    Does nothing while a build is at work on the same cache.
    """
    with cache_alone(local) as alone:
        if not alone:
            return 0
        with explained():
            cache = cache_folder(root).parents[1]
        found = [path for path in cache.rglob(".*.tmp") if _HALF.fullmatch(path.name)]
        left = set(found) - _being_written() if found else set()
        for path in left:
            path.unlink(missing_ok=True)
    return len(left)


def _being_written() -> set[Path]:
    """The files that processes of this machine have open, as far as we may see them."""
    opened: set[Path] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid():
                opened |= {Path(one.path) for one in process.open_files()}
    return opened
