"""What a stage's end means that left no words of its own: its log, DVC's, a signal, the disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.engine.build import Request
from flows.engine.cache_leftovers import remove_leftovers
from flows.engine.locks import build_lock
from flows.engine.stage_run import StageError, ending_signal, explain
from flows.graph.outputs import cache_folder
from tests.flows.conftest import Tiny, wait_until

DVC = "ERROR: failed to reproduce 'train': failed to run: python -m pipeline train tiny"
ENDED_WELL = {"exit_code": 0, "error": None}


def told(tmp_path: Path, text: str, code: int = 255, record: object = None) -> StageError:
    log = tmp_path / "train@tiny.log"
    log.write_text(text)
    return explain(code, record or {}, log)  # type: ignore[arg-type]


def test_6_a_cache_without_room_is_no_bug_of_dvc(tmp_path: Path) -> None:
    text = "ERROR: failed to reproduce 'train': [Errno 28] No space left on device"
    error = told(tmp_path, text, record=ENDED_WELL)
    assert (error.kind, error.exit_code) == ("MachineError", 2)
    assert error.message.startswith("expected room on the disk, found it full\n")
    assert "DVC failed, after the stage had ended well" in error.message
    assert f"  | {text}" in error.message


@pytest.mark.parametrize(
    ("ended", "code", "name"),
    [
        ("-9", 137, "SIGKILL"),
        ("137", 137, "SIGKILL"),
        ("139", 139, "SIGSEGV"),
        ("-6", 134, "SIGABRT"),
    ],
)
def test_6_a_signal_has_its_name_and_its_exit_code(
    tmp_path: Path, ended: str, code: int, name: str
) -> None:
    error = told(tmp_path, f"{DVC}, exited with {ended}")
    assert (error.kind, error.exit_code) == ("Killed", code)
    assert f"signal {code - 128} ({name}) ended it" in error.message
    assert "  hint: " in error.message


def test_6_memory_that_a_library_missed_is_told_with_its_signal(tmp_path: Path) -> None:
    error = told(tmp_path, f"memory allocation of 99 bytes failed\n{DVC}, exited with 134")
    assert error.exit_code == 134
    assert "its log shows why: expected enough memory, found no more of it" in error.message


def test_6_what_a_stage_prints_is_no_word_of_dvc(tmp_path: Path) -> None:
    assert ending_signal("a worker exited with 137\nERROR: failed to run: x, exited with 2") == 0
    error = told(tmp_path, f"[Errno 28] No space left on device\n{DVC}, exited with 2")
    assert (error.kind, error.exit_code) == ("MachineError", 2)


def test_6_what_a_waiting_dvc_said_is_told_where_the_log_is_empty(tmp_path: Path) -> None:
    (tmp_path / "dvc.log").write_text("MemoryError\n")
    error = told(tmp_path, "", code=1)
    assert (error.kind, error.exit_code) == ("MachineError", 2)
    assert "expected enough memory" in error.message


@pytest.mark.parametrize("number", [11, 6])
def test_6_a_build_ends_with_the_exit_code_of_its_killed_stage(tiny: Tiny, number: int) -> None:
    tiny.set_value("train", 20)
    source = tiny.root / "code" / "train.py"
    source.write_text(f"import os\nos.kill(os.getpid(), {number})\n")

    outcome = tiny.build(target="train")

    assert outcome.exit_code == 128 + number
    assert tiny.last_build()["exit_code"] == 128 + number


def test_6_half_files_in_the_cache_are_removed_but_those_at_work(tiny: Tiny) -> None:
    folder = cache_folder(tiny.root)
    left, kept = (folder / "ab" / f".{letter * 22}.tmp" for letter in "ab")
    other = folder / "ab" / ".mine.tmp"
    left.parent.mkdir(exist_ok=True)
    for path in (left, kept, other):
        path.write_text("half")
    program = f"f = open({str(kept)!r}); print('', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        local = tiny.root / ".local"
        with build_lock(local, tiny.root, "tiny"):
            assert remove_leftovers(tiny.root, local) == 0  # a build is at work
        assert remove_leftovers(tiny.root, local) == 1
        process.kill()
    assert not left.exists()
    assert kept.exists()
    assert other.exists()

    tiny.build()
    assert not kept.exists()


def test_6_a_machine_that_fails_the_build_itself_stops_it_and_leaves_a_record(tiny: Tiny) -> None:
    from flows.engine.build import build

    class Full:
        """An observer whose notes find no room, as the tracker's do on a full disk."""

        def planned(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

        def started(self, stage: str) -> None: ...
        def ended(self, result: object) -> None: ...
        def noted(self, text: str) -> None: ...

    tiny.set_value("train", 20)
    outcome = build(Request(root=tiny.root, project="tiny"), Full())

    assert outcome.exit_code == 2
    assert outcome.stopped is not None
    assert outcome.stopped.startswith("MachineError: expected room on the disk, found it full")
    assert tiny.last_build()["exit_code"] == 2


def test_6_a_build_that_nobody_reads_goes_on_to_its_end(tiny: Tiny) -> None:
    tiny.set_value("gate", 100)
    process = tiny.start("build", "tiny", "--engine", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(150) == 3
    wait_until(lambda: tiny.last_build()["exit_code"] == 3)
