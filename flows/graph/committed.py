"""What a package of code held in a commit: for `why`, where no run here left a manifest of it."""

import hashlib
from pathlib import Path
from typing import Any

from flows.git import answer


class LastBuilt:
    """The files of the last commit that changed a project's dvc.lock; no files before the first.

    Args:
        scm: DVC's access to git.
        root: The repository's root.
        lock: The dvc.lock, relative to `root`.
    """

    def __init__(self, scm: Any, root: Path, lock: Path) -> None:
        commit = (answer(root, "log", "-1", "--format=%H", "--", str(lock)) or "").strip()
        self._files = scm.get_fs(commit) if commit else None
        self._root = Path("/") / root.resolve().relative_to(Path(scm.root_dir).resolve())

    def manifest(self, folder: str) -> dict[str, str]:
        """The MD5 of each file of a folder, by its path below it."""
        place = self._root / folder
        if self._files is None or not self._files.isdir(str(place)):
            return {}
        return {
            Path(file).relative_to(place).as_posix(): hashlib.md5(  # noqa: S324 -- DVC's
                self._files.cat_file(file)
            ).hexdigest()
            for file in self._files.find(str(place))
        }
