"""The watcher as a program: it ends what is left of a service when whoever served it is gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.bento import watcher


@pytest.mark.parametrize("num_folders", [0, 1, 2])
def test_5_processes_and_folders_of_a_service_go_with_whoever_served_it(
    tmp_path: Path, num_folders: int
) -> None:
    folders = [tmp_path / f"state-{number}" for number in range(num_folders)]
    for folder in folders:
        (folder / "deep").mkdir(parents=True)
    mark = str(tmp_path / "mark")
    guard = subprocess.Popen(watcher.command(mark, 5, *folders), stdin=subprocess.PIPE)
    served = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, watcher.MARK: mark},
    )

    assert guard.stdin is not None
    guard.stdin.close()  # as when its other end is killed

    assert guard.wait(60) == 0
    assert served.wait(60) != 0
    assert list(tmp_path.glob("state-*")) == []


def test_5_a_service_that_was_ended_in_order_is_left_to_whoever_ended_it(tmp_path: Path) -> None:
    guard = subprocess.Popen(watcher.command("nobody's", 5, tmp_path), stdin=subprocess.PIPE)

    guard.communicate(b"nothing is left\n", timeout=60)

    assert guard.returncode == 0
    assert tmp_path.is_dir()
