"""What the stages of a project wrote, by digest: from DVC's cache, whatever the workspace holds.

An output that the cache lacks, or has damaged, is taken from the workspace when it still has the
same bytes. Nothing is handed out whose bytes have another digest.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.graph.damage import Comparison
from flows.graph.digests import Digests
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json, replacing
from pipeline.core.paths import folder_name
from pipeline.core.settings.graph_file import LOCK, graph_folder
from pipeline.core.settings.yaml_files import read_yaml

Locked = Mapping[str, Mapping[str, Any]]
"""What dvc.lock says of stages, by their names without the project."""


def locked(root: Path, project: str, stages: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What dvc.lock says of these stages of a project; of those alone that it knows."""
    known = read_yaml(root, graph_folder(root, project) / LOCK).get("stages") or {}
    return {name: known[name] for name in stages if name in known}


def cache_folder(root: Path) -> Path:
    """Where DVC keeps files by their MD5, shared by all worktrees."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return Path(repo.cache.local.path)


@dataclass(frozen=True)
class Outputs:
    """The outputs of one state of a project.

    Attributes:
        root: The checkout.
        project: The project's name.
        entries: What dvc.lock said of its stages then.
        cache: DVC's folder of files by digest.
        digests: The MD5 of files.
    """

    root: Path
    project: str
    entries: Locked
    cache: Path
    digests: Digests = field(default_factory=Digests)

    def has(self, stage: str, name: str) -> bool:
        return self._path(stage, name) in self._digests(stage)

    def names(self, stage: str) -> Iterator[str]:
        """The names of what a stage wrote, below its folder."""
        prefix = self._path(stage, "")
        for path in self._digests(stage):
            yield path.removeprefix(prefix)

    def digest(self, stage: str, name: str) -> str:
        """DVC's MD5 of one output; of a folder it ends with `.dir`."""
        return self._digests(stage)[self._path(stage, name)]

    def digest_of(self, stage: str) -> str | None:
        """SHA-256 over all that a stage wrote; None when dvc.lock did not know the stage."""
        digests = self._digests(stage)
        whole = "\n".join(f"{path} {digests[path]}" for path in sorted(digests))
        return hashlib.sha256(whole.encode()).hexdigest() if digests else None

    def digest_read(self, stage: str, path: str) -> str | None:
        """DVC's MD5 of what a stage read; None when it did not declare it."""
        for dep in self.entries.get(stage, {}).get("deps", ()):
            if dep["path"] == path:
                return str(dep["md5"])
        return None

    def json(self, stage: str, name: str) -> Any:
        """The content of a JSON output; None when the stage did not write it."""
        return read_json(self.file(stage, name)) if self.has(stage, name) else None

    def file(self, stage: str, name: str) -> Path:
        """Where the bytes of one output lie; its name there is its digest. Not to be written to.

        Raises:
            ArtifactMissing: neither the cache nor the workspace has them.
        """
        return self._lying(self._path(stage, name), self.digest(stage, name))

    def copy(self, stage: str, name: str, target: Path) -> None:
        """Copy an output, a file or a whole folder, to `target`."""
        digest = self.digest(stage, name)
        if not digest.endswith(".dir"):
            _copy(self.file(stage, name), target)
            return
        path = self._path(stage, name)
        if (listing := self._files.listing(digest)) is None:
            if self._files.found(path) != digest:
                raise self._missing(path, digest)
            listing = self.digests.of_folder(self.root, Path(path))
        for name_inside, md5 in listing.items():
            _copy(self._lying(f"{path}/{name_inside}", md5), target / name_inside)

    @property
    def _files(self) -> Comparison:
        return Comparison(self.root, self.cache, self.digests)

    def _path(self, stage: str, name: str) -> str:
        return f"data/{self.project}/{folder_name(stage)}/{name}"

    def _digests(self, stage: str) -> dict[str, str]:
        outs = self.entries.get(stage, {}).get("outs", ())
        return {out["path"]: str(out["md5"]) for out in outs if "md5" in out}

    def _lying(self, path: str, digest: str) -> Path:
        for source in (self._files.object(digest), self.root / path):
            if self.digests.of(source) == digest:
                return source
        raise self._missing(path, digest)

    def _missing(self, path: str, digest: str) -> ArtifactMissing:
        source = self._files.object(digest)
        if not self._files.is_damaged(digest):
            return ArtifactMissing(
                f"expected {path} with the MD5 {digest} in DVC's cache, found none",
                hint=f"`dvc pull` may bring it back; else `hallmark build {self.project}` makes it",
            )
        return ArtifactMissing(
            f"expected {path} with the MD5 {digest} in DVC's cache, found it damaged there, "
            f"with the MD5 {self.digests.of(source)}",
            hint=f"`rm -f {source}`, then `dvc pull` may bring it back; else "
            f"`hallmark build {self.project}` makes it",
        )


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
