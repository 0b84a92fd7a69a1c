"""What all tests share: the repository's root, and copies of it to break."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository that is tested. Tests read it and never write to it."""
    return ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository's own files, without data and history, to plant faults in."""
    for name in own_files():
        if not name.startswith("data/store/"):
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target, follow_symlinks=False)
    return tmp_path


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """A folder that takes long to make and is only read: one for all processes of a test run.

    `make` is called once with the folder's path, whichever process comes first; the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    together = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = together / name, together / f"{name}.made"
    with FileLock(together / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # a process that failed has left it half made
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def own_files() -> list[str]:
    """The files that git tracks, or would track, in the tested repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def fresh_clone(folder: Path) -> Path:
    """A git repository in `folder` with the tested files as its only commit."""
    for name in own_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target, follow_symlinks=False)
    for command in (
        ["init", "-q"],
        ["config", "user.name", "tests"],  # an empty home has no identity
        ["config", "user.email", "tests@localhost"],
        ["add", "-A"],
        ["commit", "-qm", "as tested"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def quiet_environment(home: Path) -> dict[str, str]:
    """The environment of a user with an empty home and the tested installation."""
    bin_folder = Path(sys.executable).parent
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HALLMARK", "PREFECT"))
    }
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }
