"""Each way in which the machine fails a run is told in words, whoever notices it first."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.run.machine import of_machine, of_text
from pipeline.core.run.output import Enduring, enduring
from pipeline.core.run.signals import killed

NO_MEMORY = "expected enough memory, found no more of it"
NO_ROOM = "expected room on the disk, found it full"
TOO_LARGE = "expected to write a file, found it larger than files may become"
TOO_MANY = "expected to start one more process or thread, found as many as are allowed"


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (errno.EDQUOT, "expected room on the disk for /a, found your quota used up", "`quota -s`"),
        (errno.EFBIG, "expected to write /a, found it larger than files may become", "ulimit -f"),
        (errno.ENOTDIR, "expected a folder on the way to /a, found a file", "move the file away"),
        (errno.EIO, "expected to read and write /a, found: Input/output error", "`dmesg | tail`"),
        (errno.ENOMEM, NO_MEMORY, "--jobs 1"),
        (errno.EAGAIN, TOO_MANY, "`ulimit -u`"),
        (errno.EMFILE, "expected to open one more file, found as many open as are allowed", "-n"),
    ],
)
def test_6_each_errno_has_words(number: int, message: str, hint: str) -> None:
    found = of_machine(OSError(number, os.strerror(number), "/a"))
    assert found is not None
    assert (found.message, found.exit_code) == (message, 2)
    assert hint in found.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ERROR: failed to reproduce 'a': [Errno 28] No space left on device", NO_ROOM),
        ("ERROR: unexpected error - database or disk is full", NO_ROOM),
        (
            "ERROR: unexpected error - [Errno 13] Permission denied: 'data/adult/20_clean'",
            "expected to be allowed to use data/adult/20_clean, found: Permission denied",
        ),
        (
            "ERROR: [Errno 30] Read-only file system: '/cache/ab'",
            "expected to be allowed to use /cache/ab, found: Read-only file system",
        ),
        (
            "sqlite3.OperationalError: attempt to write a readonly database",
            "expected to be allowed to use a file, found: Read-only file system",
        ),
        ("OSError: [Errno 122] Disk quota exceeded", "quota used up"),
        ("File too large (os error 27)", TOO_LARGE),
        ("terminate called after throwing an instance of 'std::bad_alloc'", NO_MEMORY),
        ("memory allocation of 1073741824 bytes failed", NO_MEMORY),
        ("pyarrow.lib.ArrowMemoryError: malloc of size 134217728 failed", NO_MEMORY),
        ("OSError: [Errno 12] Cannot allocate memory", NO_MEMORY),
        ("libtorch.so: failed to map segment from shared object", NO_MEMORY),
        ("OpenBLAS error: Memory allocation still failed after 10 retries", NO_MEMORY),
        ("RuntimeError: can't start new thread", TOO_MANY),
        ("ThreadPoolBuildError { kind: IOError(Os { code: 11, kind: WouldBlock }) }", TOO_MANY),
        (
            "[Errno 2] No usable temporary directory found in ['/tmp']",
            "expected a folder for temporary files that can be written to, found none",
        ),
    ],
)
def test_6_words_of_other_programs_are_understood(text: str, message: str) -> None:
    found = of_text(text)
    assert found is not None
    assert message in found.message
    assert found.exit_code == 2


@pytest.mark.parametrize(
    "text", ["", "KeyError: 'age'", "[Errno 2] No such file: 'a'", "Errno 28x"]
)
def test_6_other_words_are_no_failure_of_the_machine(text: str) -> None:
    assert of_text(text) is None


def test_6_a_killed_process_that_loads_data_is_told_by_its_signal() -> None:
    found = of_text("DataLoader worker (pid 7) is killed by signal: Killed.")
    assert found is not None
    expected = "expected a process of this stage to end by itself, it was killed"
    assert (found.exit_code, found.message) == (137, expected)


def test_6_a_folder_that_is_there_is_our_bug_and_a_file_in_its_place_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    there = FileExistsError(errno.EEXIST, "File exists", str(tmp_path))
    in_its_place = FileExistsError(errno.EEXIST, "File exists", str(tmp_path / "file"))
    assert of_machine(there) is None
    assert of_machine(in_its_place) is not None


def test_6_an_error_of_several_tasks_is_looked_into() -> None:
    group = ExceptionGroup("tasks", [ValueError("a"), OSError(errno.ENOSPC, "No space left")])
    found = of_machine(group)
    assert found is not None
    assert found.message == NO_ROOM


def test_6_a_limit_of_file_sizes_is_told_where_sqlite_says_input_output_error() -> None:
    program = "from pipeline.core.run.machine import of_text; print(of_text('disk I/O error'))"
    words = {}
    for limit in ("unlimited", "1000"):
        command = f'ulimit -f {limit}; exec {sys.executable} -c "{program}"'
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        words[limit] = done.stdout.splitlines()[0]
    assert words == {
        "unlimited": "expected to read and write the disk, found: Input/output error",
        "1000": TOO_LARGE,
    }


@pytest.mark.parametrize(("number", "code"), [(9, 137), (11, 139), (6, 134), (24, 152)])
def test_6_a_child_that_a_signal_ended_has_its_exit_code(number: int, code: int) -> None:
    error = subprocess.CalledProcessError(-number, ["git", "status"])
    found = of_machine(error)
    assert found is not None
    name = signal.Signals(number).name
    expected = f"expected `git` to end by itself, signal {number} ({name}) ended it"
    assert (found.message, found.exit_code) == (expected, code)
    assert killed("the stage", 9).hint.startswith("often the kernel does it for want of memory")


def test_6_processor_time_that_is_used_up_is_an_error_and_no_death() -> None:
    program = (
        "from pipeline.core.run.signals import end_in_words_when_out_of_time as f\n"
        "f()\n"
        "try:\n  while True: sum(range(1000))\n"
        "except Exception as error: print(error.exit_code, error)"
    )
    command = ["bash", "-c", f'ulimit -St 1; exec {sys.executable} -c "$0"', program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("152 expected this process to end by itself, signal 24 (SIGXCPU)")
    assert "`ulimit -t`" in done.stdout


def test_6_a_full_disk_under_the_output_is_remembered() -> None:
    with Path("/dev/full").open("w") as full:
        stream = Enduring(full)
        stream.write("a")
        stream.flush()
        stream.write("b")
        stream.flush()
    assert stream.failed is not None
    assert stream.failed.errno == errno.ENOSPC
    assert stream.is_full


def test_6_a_reader_that_has_gone_is_no_loss(capsys: pytest.CaptureFixture[str]) -> None:
    source, target = os.pipe()
    os.close(source)
    with os.fdopen(target, "w") as pipe:
        stream = Enduring(pipe)
        stream.told = "nobody reads"
        for _ in range(3):
            stream.write("a\n")
            stream.flush()
    assert not stream.is_full
    assert capsys.readouterr().err == "nobody reads\n"


def test_6_the_streams_are_put_back() -> None:
    before = sys.stdout, sys.stderr
    with enduring():
        assert isinstance(sys.stdout, Enduring)
        assert not isinstance(before[0], Enduring)
    assert (sys.stdout, sys.stderr) == before
