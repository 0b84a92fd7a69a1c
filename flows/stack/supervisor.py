"""Runs the processes of the stack and starts again what dies, after a pause that grows.

`hallmark up` starts it as `python -m flows.stack.supervisor`; SIGTERM ends it and all that it
runs. It also ends the stages that a killed build has left, so that nothing works on unseen.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from flows.engine.processes import end_group, end_leftovers
from flows.stack.processes import Part, environment, folder, log_file, parts, waiting_note
from pipeline.core.files import write_json
from pipeline.core.paths import local_state

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A process that has lived so long is taken for well: its next pause is the first again."""
GRACE_S = 15.0
"""How long a part may take to end: the worker ends its builds and says so."""
SWEEP_S = 5.0
MAX_LOG_BYTES = 20_000_000
_POLL_S = 0.2


@dataclass
class _Running:
    part: Part
    process: "subprocess.Popen[bytes] | None" = None
    create_time: float = 0.0
    since: str = ""
    started_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    due_s: float = 0.0
    num_restarts: int = 0
    exit_code: int | None = None


class Supervisor:
    """The processes of one stack."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = folder(root)
        self._environment = environment(root)
        self._all = [_Running(part) for part in parts(root)]
        self._stopping = False

    def run(self) -> None:
        """Keep everything running until SIGTERM or SIGINT, then end all of it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        (local_state(self.root) / "mlflow").mkdir(parents=True, exist_ok=True)
        self._write()
        swept_s = 0.0
        try:
            while not self._stopping:
                changed = [self._look_after(one) for one in self._all]
                if any(changed):
                    self._write()
                if time.monotonic() - swept_s > SWEEP_S:
                    swept_s = time.monotonic()
                    self._sweep()
                time.sleep(_POLL_S)
        finally:
            for one in reversed(self._all):
                self._end(one)
            self._sweep()
            (self.folder / "stack.json").unlink(missing_ok=True)

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _look_after(self, one: _Running) -> bool:
        """Start what is due, note what has died; True when something changed."""
        if one.process is None:
            if self._stopping or time.monotonic() < one.due_s:
                return False
            self._start(one)
            return True
        if not _has_ended(one.process.pid):
            return False
        end_group(one.process.pid, GRACE_S)  # what it has left; its number is still its own
        one.exit_code = one.process.wait()
        lived_s = time.monotonic() - one.started_s
        one.pause_s = FIRST_PAUSE_S if lived_s > STEADY_S else one.pause_s
        one.due_s = time.monotonic() + one.pause_s
        self._say(f"{one.part.name} ended with {one.exit_code}, again in {one.pause_s:g} s")
        one.pause_s = min(one.pause_s * 2, LONGEST_PAUSE_S)
        one.process = None
        one.num_restarts += 1
        waiting_note(self.root, one.part.name).unlink(missing_ok=True)
        return True

    def _start(self, one: _Running) -> None:
        with log_file(self.root, one.part.name).open("ab") as log:
            one.process = subprocess.Popen(
                ["/bin/sh", "-c", one.part.command],
                cwd=self.root,
                env={**self._environment, **one.part.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        one.create_time = psutil.Process(one.process.pid).create_time()
        one.started_s = time.monotonic()
        one.since = datetime.now(UTC).isoformat(timespec="seconds")
        self._say(f"{one.part.name} is process {one.process.pid}")

    def _end(self, one: _Running) -> None:
        if one.process is None:
            return
        if one.part.kind == "worker":
            _end_runs(one.process.pid)
        end_group(one.process.pid, GRACE_S)
        one.process.wait()
        one.process = None
        waiting_note(self.root, one.part.name).unlink(missing_ok=True)
        self._say(f"{one.part.name} was ended")
        self._write()

    def _sweep(self) -> None:
        """End what killed builds left, and keep logs from growing without end."""
        if ended := end_leftovers(local_state(self.root) / "runs"):
            self._say(f"ended what a killed build had left running: {', '.join(ended)}")
        for log in self.folder.glob("*.log"):
            if log.stat().st_size > MAX_LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)  # it is open for appending elsewhere

    def _write(self) -> None:
        own = psutil.Process()
        content: dict[str, Any] = {
            "supervisor": {"pid": own.pid, "create_time": own.create_time()},
            "root": str(self.root),
            "processes": {
                one.part.name: {
                    "kind": one.part.kind,
                    "command": one.part.command,
                    "port": one.part.port,
                    "pid": one.process.pid if one.process else None,
                    "create_time": one.create_time,
                    "since": one.since,
                    "num_restarts": one.num_restarts,
                    "exit_code": one.exit_code,
                }
                for one in self._all
            },
        }
        write_json(self.folder / "stack.json", content)

    def _say(self, text: str) -> None:
        sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")
        sys.stdout.flush()


def _end_runs(worker: int) -> None:
    """End a worker's runs before itself: it would kill them before they can say how they ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        runs = psutil.Process(worker).children()
        for run in runs:
            with contextlib.suppress(psutil.NoSuchProcess):
                run.terminate()
        psutil.wait_procs(runs, timeout=GRACE_S)


def _has_ended(pid: int) -> bool:
    """Whether it has; it is not reaped, so that its number stays its own."""
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    return True


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
