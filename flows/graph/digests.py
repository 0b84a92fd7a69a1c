"""The MD5 of files, remembered so that a file which nobody touched is not read twice.

DVC believes a read-only object of its cache without looking at it, and remembers what it restored
by size, date and inode. We hash the bytes themselves, and remember by size, both times and inode:
whoever sets a date back changes the time of the inode, which nobody can set.
"""

import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Any

from pipeline.core.files import write_json
from pipeline.core.paths import local_state
from pipeline.core.run.declared import files_of

SETTLED_NS = 100_000_000
"""A file is remembered once its last change is so long past that the next one has another time."""

Signature = tuple[int, int, int, int]


class Digests:
    """MD5 of files as they are now, and the stages that may have read something false.

    Safe in several threads. Without `source` nothing outlives the process.
    """

    def __init__(self, source: Path | None = None) -> None:
        self._source = source
        self._guard = threading.Lock()
        content = _read(source)
        self._known: dict[str, list[Any]] = content["files"]
        self._suspects: dict[str, str] = content["suspects"]
        self._has_changed = False

    def of(self, path: Path) -> str | None:
        """The MD5 of a file, of what it points to if it is a link; None where there is no file."""
        try:
            before = _signature(path)
            known = self._known.get(str(path))
            if known and tuple(known[:-1]) == before:
                return str(known[-1])
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "md5").hexdigest()
            is_settled = time.time_ns() - before[2] > SETTLED_NS
            if is_settled and _signature(path) == before:
                with self._guard:
                    self._known[str(path)] = [*before, found]
                    self._has_changed = True
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        return found

    def of_folder(self, root: Path, folder: Path) -> dict[str, str]:
        """The MD5 of each file of a folder, by its path below it; what DVC leaves out is not there.

        Args:
            root: The checkout.
            folder: Relative to `root`.
        """
        found = {
            file.relative_to(folder).as_posix(): self.of(root / file)
            for file in files_of(root, folder)
        }
        return {name: md5 for name, md5 in found.items() if md5}

    def suspected(self, stage: str) -> str | None:
        """The false file that a stage may have read, until the stage has run again."""
        return self._suspects.get(stage)

    def suspect(self, stage: str, path: str) -> None:
        with self._guard:
            self._suspects[stage] = path
            self._has_changed = True

    def clear(self, stage: str) -> None:
        """The stage has run again."""
        with self._guard:
            self._has_changed |= self._suspects.pop(stage, None) is not None

    def keep(self) -> None:
        """Write what is remembered; of files that are gone nothing."""
        with self._guard:
            if self._source is None or not self._has_changed:
                return
            files = {path: known for path, known in self._known.items() if Path(path).exists()}
            write_json(self._source, {"files": files, "suspects": self._suspects})
            self._has_changed = False


def digests_of(root: Path, project: str) -> Digests:
    """What is remembered of a project's files in one checkout."""
    name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    return Digests(local_state(root) / "digests" / f"{project}-{name}.json")


def _read(source: Path | None) -> dict[str, Any]:
    """What was kept; nothing where there is none, or it cannot be read: all is hashed again."""
    try:
        content = json.loads(source.read_text(encoding="utf-8")) if source else {}
        return {name: dict(content.get(name, {})) for name in ("files", "suspects")}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {"files": {}, "suspects": {}}


def _signature(path: Path) -> Signature:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
