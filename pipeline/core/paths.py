"""Where everything lies: a folder per stage under data/<project>/, mutable state in .local/."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# The order to read the stages in; it numbers their folders. The edges stand in dvc.yaml alone.
READING_ORDER = (
    "ingest",
    "validate",
    "clean",
    "split",
    "audit",
    "balance",
    "train",
    "calibrate",
    "evaluate",
    "assess",
    "explain",
    "gate",
    "report",
    "package",
    "rehearse",
)


def folder_name(stage: str) -> str:
    """`ingest` → `10_ingest`, `validate` → `15_validate`, …: steps of five leave room."""
    return f"{10 + 5 * READING_ORDER.index(stage)}_{stage}"


@dataclass(frozen=True)
class Paths:
    """The files of one stage of one project.

    Attributes:
        root: The repository's root.
        project: The project's name; its folder is `data/<project>`.
        stage: The stage that runs.
    """

    root: Path
    project: str
    stage: str

    @property
    def home(self) -> Path:
        """The project's folder."""
        return self.root / "data" / self.project

    def output(self, name: str) -> Path:
        """A file that this stage writes."""
        return self.home / folder_name(self.stage) / name

    def input(self, stage: str, name: str) -> Path:
        """A file that another stage wrote."""
        return self.home / folder_name(stage) / name


_found: dict[Path, Path] = {}
"""Where repositories keep their mutable state: git is asked once; a service asks all the time."""


def local_state(root: Path) -> Path:
    """The folder of all mutable state, `.local/`, shared by all git worktrees of a repository."""
    if root in _found:
        return _found[root]
    if shutil.which("git") is None:
        return root / ".local"  # in an image that has the code alone
    answer = subprocess.run(
        ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:  # no repository, so far
        return root / ".local"
    common = Path(answer.stdout.strip())
    state = (common.parent if common.name == ".git" else root) / ".local"
    if root.is_absolute():
        _found[root] = state
    return state
