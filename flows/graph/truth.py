"""What the files of a project are, against what DVC believes of them.

DVC looks a file up in its memory by size, date and inode, and what it restored from a damaged
object counts as undamaged there. We hash the bytes ourselves and correct that memory, so that DVC
then sees what changed as it sees any change.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flows.graph.damage import Comparison, Damage, discard
from flows.graph.digests import digests_of
from flows.graph.reasons import Reason
from pipeline.core.run.declared import files_of
from pipeline.core.settings.yaml_files import read_yaml


class Truth:
    """Compares a project's files with the digests that dvc.lock and `.dvc` files name.

    Args:
        repo: DVC's repository.
        root: The checkout.
        project: The project's name.
    """

    def __init__(self, repo: Any, root: Path, project: str) -> None:
        self._repo = repo
        self.root = root
        self.digests = digests_of(root, project)
        self.comparison = Comparison(root, Path(repo.cache.local.path), self.digests)
        self._found: dict[str, str] = {}

    def look_anew(self) -> None:
        """Files may have changed: forget what they were a moment ago."""
        self._found.clear()

    def is_as_named(self, path: str, entry: Any) -> bool:
        """Whether a dependency or an output has the bytes that dvc.lock names. DVC, which would
        take longer to say so, need not be asked then."""
        if not entry.hash_info:
            return False
        if path not in self._found:
            self._found[path] = self.comparison.found(path)
        return bool(self._found[path] == entry.hash_info.value)

    def correct(self, path: str) -> bool:
        """Let DVC know what a file or folder is now that is not as dvc.lock names it; whether it
        had believed otherwise."""
        from dvc.fs import localfs
        from dvc_data.hashfile.hash_info import HashInfo

        files = [str(self.root.resolve() / file) for file in files_of(self.root, Path(path))]
        state, lies = self._repo.state, []
        for file, _, believed in state.get_many(files, localfs, {}):
            found = self.digests.of(Path(file))
            if believed is not None and found and believed.value != found:
                lies.append((file, HashInfo("md5", found), None))
        if lies:
            state.save_many(lies, localfs)
        return bool(lies)

    def of_output(self, path: str, expected: str, was_believed: bool) -> Reason:
        """Why an output that differs from dvc.lock is not what it was."""
        damages = self.comparison.damages(path, expected)
        first = damages[0] if damages else Damage(path, expected, "")
        if any(damage.damaged for damage in damages):
            return Reason("damaged", first.path, "cache", first.expected, first.found)
        if was_believed:
            return Reason("damaged", first.path, "hand", first.expected, first.found)
        return Reason("output", path, "modified")

    def of_source(self, path: str) -> list[Reason]:
        """The files of raw data that are damaged, and in DVC's cache as well."""
        return [
            Reason("damaged", damage.path, "source", damage.expected, damage.found)
            for damage in self.source_damages(path)
        ]

    def source_damages(self, path: str) -> list[Damage]:
        """Which files below what a `.dvc` file names are damaged, and in DVC's cache as well.

        What somebody changed by hand is not damaged: the cache still has what it was.
        """
        pointer = Path(f"{path}.dvc")
        if not (self.root / pointer).is_file():
            return []
        named = [str(out.get("md5", "")) for out in read_yaml(self.root, pointer).get("outs", ())]
        found = [damage for md5 in named[:1] if md5 for damage in self._damages(path, md5)]
        return [damage for damage in found if damage.damaged]

    def _damages(self, path: str, md5: str) -> Iterable[Damage]:
        return self.comparison.damages(path, md5) if (self.root / path).exists() else ()

    def discard_damaged(self, stage: Any) -> None:
        """Delete what the cache has damaged of a stage's outputs."""
        for out in stage.outs:
            if isinstance(md5 := out.hash_info.value if out.hash_info else None, str):
                path = Path(os.path.relpath(out.fs_path, self.root)).as_posix()
                discard(self.comparison.damages(path, md5))

    def since(self, path: str) -> int:
        """When a file became what it is, in nanoseconds since 1970; 0 where there is none."""
        try:
            return (self.root / path).stat().st_ctime_ns
        except FileNotFoundError:
            return 0
