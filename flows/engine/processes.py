"""The processes of a build: each stage in a process group of its own, none left behind.

What runs is written to `processes.json` in the build's folder, so that the next start finds
and ends what a killed build left.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.core.files import write_json

GRACE_S = 5.0
"""How long a stage may take to end after SIGTERM before it is killed."""
RUN_DIR = "HALLMARK_RUN_DIR"
_FILE = "processes.json"


@dataclass
class _Entry:
    stage: str
    pid: int
    create_time: float


class ProcessGroups:
    """The running stages of one build. Safe to use from several threads.

    Args:
        folder: The build's folder, `.local/runs/<build id>`.
        grace_s: How long a group may take to end after SIGTERM.
    """

    def __init__(self, folder: Path, grace_s: float = GRACE_S) -> None:
        self.folder = folder
        self.grace_s = grace_s
        self._entries: dict[int, _Entry] = {}
        self._told: set[psutil.Process] = set()
        self._guard = threading.Lock()
        self._stopping = False
        self._write()

    @property
    def is_stopping(self) -> bool:
        """Whether the build is being stopped: what fails from now on was ended by us."""
        return self._stopping

    def run(self, stage: str, start: Callable[[], "subprocess.Popen[bytes]"]) -> int | None:
        """Run a process to its end; return its exit code, negative for a signal.

        None when the build was being stopped before it could start. When the process has ended,
        what is left of its process group is ended too.

        Args:
            stage: What it runs.
            start: Starts the process as the leader of a process group.
        """
        with self._guard:
            if self._stopping:
                return None
            process = start()
            created = psutil.Process(process.pid).create_time()
            self._entries[process.pid] = _Entry(stage, process.pid, created)
            self._write()
        # Seen, not yet reaped: until then nobody else can be given this process group's number.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        end_group(process.pid, self.grace_s, self._told)
        code = process.wait()
        with self._guard:
            del self._entries[process.pid]
            self._write()
        return code

    def stop(self) -> None:
        """Start nothing more; end all groups: SIGTERM, then SIGKILL when the grace is over."""
        with self._guard:
            self._stopping = True
            pids = list(self._entries)
        for pid in pids:
            _terminate(group(pid), self._told)
        deadline = time.monotonic() + self.grace_s
        for pid in pids:
            end_group(pid, max(0.0, deadline - time.monotonic()), self._told)

    def close(self) -> None:
        """Say that this build has ended and left nothing."""
        (self.folder / _FILE).unlink(missing_ok=True)

    def _write(self) -> None:
        own = psutil.Process()
        content = {
            "build": {"pid": own.pid, "create_time": own.create_time()},
            "stages": [
                {"stage": e.stage, "pid": e.pid, "pgid": e.pid, "create_time": e.create_time}
                for e in self._entries.values()
            ],
        }
        write_json(self.folder / _FILE, content)


def end_group(pgid: int, grace_s: float, told: set[psutil.Process] | None = None) -> int:
    """End every process of a group; return how many there were. Zombies count as ended.

    Args:
        pgid: The group's number.
        grace_s: How long they may take to end after SIGTERM before they are killed.
        told: Those that were sent SIGTERM already; each is sent it once.
    """
    members = group(pgid)
    num_found = len(members)
    told = set() if told is None else told
    deadline = time.monotonic() + grace_s
    while members and time.monotonic() < deadline:
        _terminate(members, told)
        time.sleep(0.05)
        members = group(pgid)
    while members:
        for process in members:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)
        members = group(pgid)
    return num_found


def group(pgid: int) -> list[psutil.Process]:
    """The living members of a process group."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == pgid and _is_alive(process):
                members.append(process)
    return members


def _terminate(processes: Sequence[psutil.Process], told: set[psutil.Process]) -> None:
    for process in processes:
        if process not in told:
            told.add(process)
            with contextlib.suppress(psutil.Error):
                process.terminate()  # psutil compares the create time before it sends


def _is_alive(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def is_same_process(pid: int, create_time: float) -> bool:
    """Whether the process `pid` lives and is the one that was created then."""
    try:
        process = psutil.Process(pid)
        return _is_alive(process) and abs(process.create_time() - create_time) < 0.05
    except psutil.Error:
        return False


def is_running_build(folder: Path) -> bool:
    """Whether the build whose folder this is lives."""
    content = _read(folder / _FILE)
    build = content["build"] if content else None
    return build is not None and is_same_process(build["pid"], build["create_time"])


def end_leftovers(runs: Path, grace_s: float = GRACE_S) -> list[str]:
    """End what builds that were killed have left running; return the names of these stages."""
    ended = []
    for source in sorted(runs.glob(f"*/{_FILE}")):
        content = _read(source)
        if content is None:
            source.unlink(missing_ok=True)
            continue
        build = content["build"]
        if is_same_process(build["pid"], build["create_time"]):
            continue
        for entry in content["stages"]:
            if _is_ours(entry, source.parent) and end_group(entry["pgid"], grace_s):
                ended.append(str(entry["stage"]))
        source.unlink(missing_ok=True)
    return ended


def _read(source: Path) -> dict[str, Any] | None:
    """What a build wrote of its processes; None when that is not what it says."""
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        well_formed = all(
            {"pgid", "pid", "create_time", "stage"} <= e.keys() for e in content["stages"]
        )
        return (
            content if well_formed and {"pid", "create_time"} <= content["build"].keys() else None
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_ours(entry: Mapping[str, Any], folder: Path) -> bool:
    """Whether the group still is the one that the build started.

    Its leader is known by its create time. When only the leader was killed, the others are known
    by the build's folder in their environment.
    """
    if is_same_process(entry["pid"], entry["create_time"]):
        return True
    return any(
        _environment(process).get(RUN_DIR) == str(folder) for process in group(entry["pgid"])
    )


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        environment: dict[str, str] = process.environ()
        return environment
    except (psutil.Error, OSError):
        return {}


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore SIGTERM and SIGINT: what runs inside ends by itself, and soon."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
