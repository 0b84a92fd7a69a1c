"""A training that is killed or interrupted goes on where it was, and ends with the same bytes."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Clone

TRAIN = ("flows.cli.main", "build", "adult", "train", "--from", "train")
WEIGHTS = "data/adult/40_train/weights.safetensors"
GOES_ON = "resuming after epoch"


def wait_for_epoch(clone: Clone, epoch: int) -> None:
    """Wait until so many epochs are saved, and not over 35: an ended training's curve has more."""
    curve = clone.file("40_train/curves.jsonl")
    checkpoints = clone.root / ".local" / "checkpoints"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lines = curve.read_text().count("\n") if curve.exists() else 0
        if epoch <= lines < 35 and any(checkpoints.glob("*/*.safetensors")):
            return
        time.sleep(0.05)
    pytest.fail(f"epoch {epoch} is not saved within two minutes")


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


def newest_log(clone: Clone) -> str:
    newest = max((clone.root / ".local" / "runs").glob("*/train@adult.log"))
    return newest.read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_goes_on_after_ctrl_c_and_after_kill_9(clone: Clone) -> None:
    """One training in three parts: each goes on from the checkpoint that the one before left."""
    expected = clone.digests()[WEIGHTS]
    build = clone.start(*TRAIN)
    wait_for_epoch(clone, 5)
    build.send_signal(signal.SIGINT)
    printed, _ = build.communicate(timeout=150)
    assert build.returncode == 130, printed
    assert trainings(clone.root) == []

    build = clone.start(*TRAIN)
    wait_for_epoch(clone, 15)
    assert GOES_ON in newest_log(clone)
    for group in stage_groups(clone):
        os.killpg(group, signal.SIGKILL)
    printed, _ = build.communicate(timeout=150)
    assert build.returncode == 128 + signal.SIGKILL, printed
    assert "signal 9" in printed

    again = clone.run(*TRAIN)
    assert again.returncode == 0, again.stdout + again.stderr
    assert GOES_ON in newest_log(clone)
    assert clone.digests()[WEIGHTS] == expected
    assert not any((clone.root / ".local" / "checkpoints").iterdir())
