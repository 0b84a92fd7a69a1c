"""What a worker finds that the others of its stage have used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.core.run import processor
from pipeline.core.run.processor import of_other_workers

BUSY = """
import sys, time
held = bytearray(50_000_000)
held[::4096] = b"x" * len(held[::4096])
while time.process_time() < 0.3:
    pass
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def busy(mark: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has used 0.3 s and 50 MB and still lives."""
    command = [sys.executable, "-c", BUSY, str(mark)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as found:
        assert found.stdout is not None
        assert found.stdout.readline() == "done\n"
        yield found
        found.kill()


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process is one of two workers, and is taken for their launcher; the folder that they
    share."""
    for name, value in (("TORCHELASTIC_RUN_ID", "a"), ("LOCAL_WORLD_SIZE", "2"), ("RANK", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processor, "_others", {})
    monkeypatch.setattr(processor.os, "getppid", os.getpid)
    monkeypatch.setattr(processor.sys, "argv", ["parallel.py", str(tmp_path)])
    return tmp_path


def test_the_other_worker_counts_also_when_it_has_ended(worker: Path) -> None:
    assert of_other_workers() == (0.0, 0)  # it is not there yet
    with busy(worker) as other:
        seconds, held = of_other_workers()
        assert seconds >= 0.29  # the system counts in hundredths
        assert held >= 50_000_000
        other.kill()
        other.wait()
        assert of_other_workers()[0] >= seconds
        assert of_other_workers()[1] == held


def test_another_child_of_the_launcher_is_no_worker(worker: Path) -> None:
    with busy(worker / "other"):
        assert of_other_workers() == (0.0, 0)


def test_without_workers_there_are_no_others(tmp_path: Path) -> None:
    with busy(tmp_path):
        assert of_other_workers() == (0.0, 0)
