"""The embedded DVC remote, data/store/: what a fresh clone pulls.

`python -m tools.embedded_store` (`make store`) copies what raw data and dvc.lock name
from the DVC cache into the store and deletes the rest; outputs carry `push: false`, so that no
`dvc push` ever writes there.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ruamel.yaml import YAML

STORE = Path("data/store/files/md5")
CACHE = Path(".dvc/cache/files/md5")


def locks(root: Path) -> list[Path]:
    """The dvc.lock of every project."""
    return sorted([root / "dvc.lock", *root.glob("data/*/dvc.lock")])


def outputs(root: Path, contents: Sequence[str] | None = None) -> Iterator[str]:
    """The digests of all outputs that the repository's DVC files name.

    Args:
        root: The repository.
        contents: What stands for the contents of the projects' dvc.lock.
    """
    yaml = YAML(typ="safe")
    if contents is None:
        contents = [lock.read_text(encoding="utf-8") for lock in locks(root)]
    files = [file.read_text(encoding="utf-8") for file in root.glob("data/*/*.dvc")]
    for content in map(yaml.load, [*files, *contents]):
        entries = [content, *content.get("stages", {}).values()]
        yield from (out["md5"] for entry in entries for out in entry.get("outs", ()))


def absent(root: Path, contents: Sequence[str] | None = None) -> list[str]:
    """The digests that a bare `dvc pull` would look for in the store, in vain."""
    needed = set(_needed(root, STORE, contents))
    return sorted(digest for digest in needed if not _file(root / STORE, digest))


def fill(root: Path) -> None:
    """Make the store hold just what the repository names."""
    needed = set(_needed(root, CACHE))
    for digest in needed:
        target = root / STORE / digest[:2] / digest[2:]
        if not target.exists():
            source = _file(root / CACHE, digest)
            if source is None:
                sys.exit(f"{digest} is not in the DVC cache: build or `dvc pull` first")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for file in (root / STORE).glob("*/*"):
        if file.parent.name + file.name not in needed:
            file.unlink()


def _needed(root: Path, where: Path, contents: Sequence[str] | None = None) -> Iterator[str]:
    """All digests, folders followed by the files that they list."""
    for digest in outputs(root, contents):
        yield digest
        listing = _file(root / where, digest) if digest.endswith(".dir") else None
        if listing is not None:
            yield from (entry["md5"] for entry in json.loads(listing.read_text()))


def _file(folder: Path, digest: str) -> Path | None:
    file = folder / digest[:2] / digest[2:]
    return file if file.is_file() else None


if __name__ == "__main__":
    fill(Path.cwd())
