"""A training that is killed or interrupted goes on where it was, and ends with the same bytes."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Clone

TRAIN = ("flows.cli", "build", "adult", "train", "--from", "train")
WEIGHTS = "data/adult/40_train/weights.safetensors"


def wait_for_checkpoint(clone: Clone) -> None:
    """Wait until some epochs are saved; the fifth is long before the end."""
    curve = clone.file("40_train/curves.jsonl")
    checkpoints = clone.root / ".local" / "checkpoints"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lines = curve.read_text().count("\n") if curve.exists() else 0
        if 5 <= lines < 12 and any(checkpoints.glob("*/state.safetensors")):
            return
        time.sleep(0.05)
    pytest.fail("no checkpoint within two minutes")


def stage_groups(clone: Clone) -> list[int]:
    newest = max((clone.root / ".local" / "runs").glob("*/processes.json"))
    return [stage["pgid"] for stage in json.loads(newest.read_text())["stages"]]


def trainings(root: Path) -> list[int]:
    """The training processes that work in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[-3:] == ["pipeline", "train", "adult"] and process.cwd() == str(root):
            found.append(process.pid)
    return found


def resumed(clone: Clone) -> None:
    """The same command again goes on from the checkpoint and ends with the same weights."""
    expected = clone.digests()[WEIGHTS]
    again = clone.run(*TRAIN)
    assert again.returncode == 0, again.stdout + again.stderr
    newest = max((clone.root / ".local" / "runs").glob("*/train@adult.log"))
    assert "resuming after epoch" in newest.read_text()
    assert clone.digests()[WEIGHTS] == expected
    assert not any((clone.root / ".local" / "checkpoints").iterdir())


def test_kill_9_of_the_training(clone: Clone) -> None:
    build = clone.start(*TRAIN)
    wait_for_checkpoint(clone)
    for group in stage_groups(clone):
        os.killpg(group, signal.SIGKILL)
    printed, _ = build.communicate(timeout=60)
    assert build.returncode == 128 + signal.SIGKILL, printed
    assert "signal 9" in printed
    resumed(clone)


def test_ctrl_c_ends_the_training_and_keeps_its_checkpoint(clone: Clone) -> None:
    build = clone.start(*TRAIN)
    wait_for_checkpoint(clone)
    build.send_signal(signal.SIGINT)
    printed, _ = build.communicate(timeout=60)
    assert build.returncode == 130, printed
    assert trainings(clone.root) == []
    resumed(clone)
