"""Builds whose folder and data stay: those of registered versions, and those yet to be logged."""

from pathlib import Path

from flows.registry.tracked_build import FILE, read
from flows.registry.versions import Version, versions
from pipeline.core.paths import local_state


def all_versions(root: Path) -> list[Version]:
    """The registered versions of all projects, also of those that params.yaml names no more.

    Raises:
        ArtifactMissing: a version's record is damaged.
    """
    folders = sorted((local_state(root) / "registry").glob("*/"))
    return [version for folder in folders for version in versions(root, folder.name)]


def builds_in_need(root: Path) -> set[str]:
    """The ids of these builds.

    Raises:
        ArtifactMissing: a version's record is damaged, so that its build is not known.
    """
    records = (local_state(root) / "runs").glob(f"*/{FILE}")
    names = [source.parent.name for source in records]
    due = {name for name in names if (found := read(root, name)) and found.state in _UNLOGGED}
    return due | {version.build for version in all_versions(root)}


def data_of(root: Path, build: str) -> set[str]:
    """The digests of the files that dvc.lock named when the build had ended."""
    found = read(root, build)
    entries = found.entries.values() if found else ()
    return {
        str(file["md5"])
        for entry in entries
        for file in (*entry.get("deps", ()), *entry.get("outs", ()))
        if "md5" in file
    }


_UNLOGGED = ("open", "pending")
