"""A failure of the machine is told in words, a bug in one paragraph; a traceback only if asked."""

import errno
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.core.run.machine import of_machine
from pipeline.core.run.runner import main
from tests.people import make_project
from tests.unit.core.run.test_runner import stage_that


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALLMARK_RUN_DIR", str(tmp_path / "records"))
    return tmp_path


def caught(run: Any) -> BaseException:
    try:
        run()
    except Exception as error:
        return error
    raise AssertionError("expected an error, none was raised")


def full_disk() -> None:
    with Path("/dev/full").open("w") as stream:
        stream.write("a")


def chained() -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as cause:
        raise RuntimeError("the writer failed") from cause


def refused(number: int, text: str, file: str | None = None) -> Any:
    """What raises as the kernel does."""

    def run() -> None:
        raise OSError(number, text, file)

    return run


def other_library() -> None:
    raise ValueError("I/O error: No space left on device (os error 28)")


def no_gpu_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


FAILURES: dict[str, tuple[Any, str, str]] = {
    "disk full": (full_disk, "expected room on the disk, found it full", "`df -h .` shows"),
    "disk full, as a cause": (chained, "expected room on the disk, found it full", "`df -h .`"),
    "disk full, in another library's words": (
        other_library,
        "expected room on the disk, found it full",
        "`hallmark prune`",
    ),
    "not allowed": (
        refused(errno.EACCES, "Permission denied", "/a/b"),
        "expected to be allowed to use /a/b, found: Permission denied",
        "`ls -ld /a/b` shows whose it is and who may write to it",
    ),
    "read only": (
        refused(errno.EROFS, "Read-only file system", "/a"),
        "expected to be allowed to use /a, found: Read-only file system",
        "`ls -ld /a`",
    ),
    "a folder": (
        lambda: Path("/tmp").read_text(),  # noqa: S108 -- any folder does
        "expected a file at /tmp, found a folder",
        "move the folder away",
    ),
    "no memory": (
        lambda: bytearray(2**62),
        "expected enough memory, found no more of it",
        "--jobs 1",
    ),
    "no memory of a GPU": (
        no_gpu_memory,
        "expected enough memory, found no more of it",
        "lower `train.batch_size`, end what else runs",
    ),
    "no program": (
        lambda: subprocess.run(["no-such-program"], check=True),
        "expected the program `no-such-program`, found none on PATH",
        "install no-such-program",
    ),
    "port taken": (
        refused(errno.EADDRINUSE, "Address already in use"),
        "expected a free port, found another process at it",
        "--port",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_the_machine_lacks_is_said(case: str) -> None:
    run, message, hint = FAILURES[case]
    found = of_machine(caught(run))
    assert found is not None
    assert (found.message, found.exit_code) == (message, 2)
    assert hint in found.hint


def test_any_other_error_is_a_bug() -> None:
    assert of_machine(KeyError("a")) is None
    assert of_machine(FileNotFoundError(errno.ENOENT, "No such file", "/a/b")) is None


def test_a_bug_is_one_paragraph_and_its_traceback_lies_in_a_file(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(KeyError("a row's value")))
    assert main(["gate", "people"]) == 1
    printed = capfd.readouterr().err
    assert re.fullmatch(
        r"gate@people: KeyError: in pipeline/core/run/runner\.py, line \d+, in run_stage: "
        r"this is a bug of ours\n"
        r"  the full traceback is in records/gate@people\.traceback\.txt\n"
        r"  hint: HALLMARK_DEBUG=1 shows it here as well; .*\n",
        printed,
    )
    kept = (root / "records/gate@people.traceback.txt").read_text()
    assert kept.startswith("Python 3.")
    assert kept.endswith('KeyError: "a row\'s value"\n')


def test_a_traceback_is_shown_to_whoever_asks_for_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HALLMARK_DEBUG", "1")
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(KeyError("a")))
    assert main(["gate", "people"]) == 1
    assert capfd.readouterr().err.startswith("Traceback (most recent call last)")


def test_a_panic_of_polars_is_a_bug_and_no_end_of_python(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class PanicException(BaseException):
        """As polars raises it: no Exception."""

    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(PanicException("index")))
    assert main(["gate", "people"]) == 1
    assert "this is a bug of ours" in capfd.readouterr().err


def test_a_full_disk_ends_a_stage_with_2(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(caught(full_disk)))
    assert main(["gate", "people"]) == 2
    shown = capfd.readouterr().err.splitlines()[0]
    assert shown == "gate@people: MachineError: expected room on the disk, found it full"


def test_a_record_that_cannot_be_written_is_no_traceback(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(None))

    def full(target: Path, content: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr("pipeline.core.run.runner.write_json", full)
    assert main(["gate", "people"]) == 2
    shown = capfd.readouterr().err
    assert shown.startswith("gate@people: the run's record is not written: expected room on the ")
    assert "Traceback" not in shown
