"""The git side of a build: its commit, and whether the tree differs from it."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path

from flows.git import answer as git_answer
from pipeline.core.errors import ProjectError
from pipeline.core.settings.graph_file import DVC_FILE, is_of_a_project

# What a build itself writes. It is recorded by digest elsewhere and makes no tree dirty. Of the
# overrides it takes out what has expired; promotion asks whether git has those that were used.
WRITTEN_BY_BUILDS = (
    "dvc.lock",
    "data/*/dvc.lock",
    "data/*/champion/*",
    "data/*/.gitignore",
    "data/*/overrides.json",
)


@dataclass(frozen=True)
class Tree:
    """What is checked out.

    Attributes:
        commit: None outside git or before the first commit.
        dirty_files: The files that differ from it, but for those that builds write.
    """

    commit: str | None
    dirty_files: tuple[str, ...]


def tree(root: Path) -> Tree:
    return Tree(commit(root), dirty_files(root))


def find_root(start: Path) -> Path:
    """The repository's root: the nearest folder from `start` upwards that has a dvc.yaml.

    Raises:
        ProjectError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / DVC_FILE).is_file() and not is_of_a_project(folder):
            if (folder / ".dvc").is_dir():
                return folder
            raise ProjectError(
                f"expected a DVC repository at {folder}, found its dvc.yaml and no folder .dvc",
                hint="work in a clone made by `git clone`; a copied tree becomes one by "
                "`git init && dvc init`",
            )
    raise ProjectError(
        f"expected a folder of a Hallmark repository, {start} is in none (no dvc.yaml upwards)",
        hint="`cd` into your clone",
    )


def commit(root: Path) -> str | None:
    """The commit that is checked out; None outside git or before the first one."""
    said = git_answer(root, "rev-parse", "--verify", "--quiet", "HEAD")
    return said.strip() if said else None


def dirty_files(root: Path) -> tuple[str, ...]:
    """The files that differ from the commit, but for those that builds write."""
    said = git_answer(
        root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"
    )
    paths = [entry[3:] for entry in (said or "").split("\0") if entry]
    return tuple(
        path for path in paths if not any(fnmatch.fnmatch(path, p) for p in WRITTEN_BY_BUILDS)
    )
