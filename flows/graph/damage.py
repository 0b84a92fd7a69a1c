"""Files that are not what dvc.lock names, and the objects of DVC's cache that are damaged.

An object of the cache is named by its MD5, so that one with other bytes is known to be damaged.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.graph.digests import Digests
from pipeline.core.run.declared import digest as folder_digest

FOLDER = ".dir"
"""How DVC's digest of a folder ends."""


@dataclass(frozen=True)
class Damage:
    """One file that is not what it should be.

    Attributes:
        path: The file, relative to the repository's root.
        expected: The MD5 that is named for it.
        found: Its MD5; empty when it is not there.
        damaged: The objects of DVC's cache that are damaged, too: restoring would not help.
    """

    path: str
    expected: str
    found: str
    damaged: tuple[Path, ...] = ()

    def __str__(self) -> str:
        found = f"found {self.found}" if self.found else "found none"
        objects = ", ".join(map(str, self.damaged))
        also = f"; the object in DVC's cache is damaged: {objects}" if objects else ""
        return f"{self.path}: expected the MD5 {self.expected}, {found}{also}"


@dataclass(frozen=True)
class Comparison:
    """Compares the files of a checkout with digests.

    Attributes:
        root: The checkout.
        cache: DVC's folder of objects by digest.
        digests: The MD5 of files.
    """

    root: Path
    cache: Path
    digests: Digests

    def found(self, path: str) -> str:
        """The digest of a file or a folder as it is now, as DVC has it; empty when absent."""
        if (self.root / path).is_dir():
            return folder_digest(self.digests.of_folder(self.root, Path(path)))
        return self.digests.of(self.root / path) or ""

    def damages(self, path: str, expected: str) -> tuple[Damage, ...]:
        """What is not as `expected`, DVC's digest of `path`; of a folder, file by file."""
        if (found := self.found(path)) == expected:
            return ()
        listing = self.listing(expected) if expected.endswith(FOLDER) else None
        if listing is None:
            return (Damage(path, expected, found, self._damaged([expected])),)
        pairs = ((f"{path}/{name}", md5) for name, md5 in listing.items())
        return tuple(
            Damage(file, md5, self.found(file), self._damaged([md5]))
            for file, md5 in pairs
            if self.found(file) != md5
        )

    def of_entry(self, entry: Mapping[str, Any]) -> tuple[Damage, ...]:
        """What of a stage's outputs is not as its entry in dvc.lock says."""
        return tuple(
            damage
            for out in entry.get("outs", ())
            if "md5" in out
            for damage in self.damages(out["path"], str(out["md5"]))
        )

    def object(self, digest: str) -> Path:
        """Where the cache has what has this digest."""
        return self.cache / digest[:2] / digest[2:]

    def is_damaged(self, digest: str) -> bool:
        """Whether the cache has an object of this name with other bytes."""
        found = self.digests.of(self.object(digest))
        return found is not None and found != digest.removesuffix(FOLDER)

    def listing(self, digest: str) -> dict[str, str] | None:
        """What a folder of this digest holds, the MD5 of each file by its path below it; None where
        the cache does not know, or its object is damaged."""
        source = self.object(digest)
        if self.is_damaged(digest) or not source.is_file():
            return None
        entries = json.loads(source.read_text(encoding="utf-8"))
        return {entry["relpath"]: entry["md5"] for entry in entries}

    def _damaged(self, digests: Iterable[str]) -> tuple[Path, ...]:
        return tuple(self.object(digest) for digest in digests if self.is_damaged(digest))


def discard(damages: Iterable[Damage]) -> None:
    """Delete the damaged objects of the cache, so that DVC restores nothing from them."""
    for damage in damages:
        for source in damage.damaged:
            source.unlink(missing_ok=True)
