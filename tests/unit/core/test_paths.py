"""Where files lie."""

import subprocess
from pathlib import Path

import pytest

from pipeline.core.paths import READING_ORDER, Paths, folder_name, local_state


@pytest.mark.parametrize(
    ("stage", "folder"),
    [
        ("ingest", "10_ingest"),
        ("validate", "15_validate"),
        ("train", "40_train"),
        ("gate", "65_gate"),
    ],
)
def test_folders_are_numbered_in_reading_order(stage: str, folder: str) -> None:
    assert folder_name(stage) == folder


def test_folders_sort_as_the_data_go() -> None:
    assert sorted(READING_ORDER, key=folder_name) == list(READING_ORDER)


def test_files_of_a_stage() -> None:
    paths = Paths(Path("/repo"), "adult", "train")
    assert paths.home == Path("/repo/data/adult")
    assert paths.output("a.json") == Path("/repo/data/adult/40_train/a.json")
    assert paths.input("split", "test.parquet") == Path("/repo/data/adult/25_split/test.parquet")


def test_state_lies_beside_the_code_outside_git(tmp_path: Path) -> None:
    assert local_state(tmp_path) == tmp_path / ".local"


def test_all_worktrees_share_the_state(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *identity, *words], cwd=tmp_path / "main", check=True)

    (tmp_path / "main").mkdir()
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    git("worktree", "add", "-q", "../other")
    assert local_state(tmp_path / "other") == tmp_path / "main" / ".local"
    assert local_state(tmp_path / "main") == tmp_path / "main" / ".local"


def test_3_git_is_asked_once_where_a_repository_keeps_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service asks twice a second, and has no room for processes when all its files are open."""
    assert local_state(tmp_path) == tmp_path / ".local"  # none yet
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert local_state(tmp_path) == tmp_path / ".local"
    monkeypatch.delattr(subprocess, "run")
    assert local_state(tmp_path) == tmp_path / ".local"


def test_state_is_found_without_git_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert local_state(tmp_path) == tmp_path / ".local"
