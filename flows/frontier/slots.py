"""Where a frontier's points are built: few worktrees, a worker process in each, used in turn.

A worktree holds the checkout as it is, edits and new files included. The DVC cache and its
run-cache are the checkout's own, so what was built before is restored, in either direction.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from flows.engine.locks import cache_in_use
from flows.engine.processes import GRACE_S
from flows.engine.stage_run import TELEMETRY_OFF, last_lines
from flows.engine.worktree import Worktree, create, remove
from flows.git import git
from pipeline.core.paths import local_state

Event = Mapping[str, Any]
PROGRAM = ("-m", "flows.frontier.worker")


class Slots:
    """Worktrees with workers; a context, at whose end none is left.

    Args:
        checkout: The checkout whose state the points are built from.
        project: The project's name.
        num: How many points may be built side by side.
        commit: What the worktrees hold, from `flows.engine.worktree.snapshot`.
        folder: Where the workers' logs go.
        program: What Python runs as a worker.
    """

    def __init__(
        self,
        checkout: Path,
        project: str,
        num: int,
        commit: str,
        folder: Path,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.checkout = checkout
        self.project = project
        self.num = num
        self.commit = commit
        self.folder = folder
        self.program = tuple(program)
        self._free: queue.Queue[_Worker] = queue.Queue()
        self._workers: list[_Worker] = []
        self._worktrees: list[Worktree] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Slots":
        self._stack.enter_context(cache_in_use(local_state(self.checkout)))
        try:
            for number in range(self.num):
                name = f"frontier-{os.getpid()}-{number}"
                worktree = create(self.checkout, self.project, name, self.commit)
                self._worktrees.append(worktree)
                log = self.folder / f"worker-{number}.log"
                worker = _Worker(worktree.root, self.project, self.program, log)
                self._workers.append(worker)
                self._free.put(worker)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def carry_out(self, order: Mapping[str, Any], tell: Callable[[Event], None]) -> Event:
        """Have the next free worker carry out an order; return its last event. Safe in any thread.

        Args:
            order: As `flows.frontier.worker` takes it.
            tell: Is told of every event in between.
        """
        worker = self._free.get()
        try:
            return worker.carry_out(order, tell)
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        """End what runs: each order that is carried out ends as stopped. Start nothing more."""
        for worker in self._workers:
            worker.stop()

    def _close(self) -> None:
        for worker in self._workers:
            worker.close()
        for worktree in self._worktrees:
            remove(self.checkout, worktree)
            git(self.checkout, "branch", "--delete", "--force", worktree.branch, check=False)
        self._workers, self._worktrees = [], []
        self._stack.close()


class _Worker:
    """One worker process, started when it is first needed."""

    def __init__(self, root: Path, project: str, program: Sequence[str], log: Path) -> None:
        self.root = root
        self.project = project
        self.program = program
        self.log = log
        self._process: subprocess.Popen[str] | None = None
        self._guard = threading.Lock()
        self._ends = threading.Event()

    def carry_out(self, order: Mapping[str, Any], tell: Callable[[Event], None]) -> Event:
        with self._guard:
            if self._ends.is_set():
                return _stopped()
            if self._process is None or self._process.poll() is not None:
                self._process = self._start()
            process = self._process
        assert process.stdin is not None  # noqa: S101 -- narrows the type: both were asked for
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except BrokenPipeError:  # it has died; reading says so
            pass
        for line in process.stdout:
            event: Event = json.loads(line)
            if event["event"] == "ended":
                return event
            tell(event)
        process.wait()
        if self._ends.is_set():
            return _stopped()
        tail = "\n".join(last_lines(self.log, num_lines=3))
        return {"event": "ended", "outcome": "failed", "message": f"its worker died: {tail}"}

    def stop(self) -> None:
        with self._guard:
            self._ends.set()
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def close(self) -> None:
        """End the process: at once when idle, else as `stop` does and, after a grace, for sure."""
        self.stop()
        if self._process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(timeout=2 * GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _start(self) -> "subprocess.Popen[str]":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        here = str(self.root)
        environment = {
            **os.environ,
            **TELEMETRY_OFF,
            "PYTHONPATH": os.pathsep.join((here, os.environ.get("PYTHONPATH", ""))).rstrip(":"),
            "OMP_NUM_THREADS": "1",  # points run side by side, one core each
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("w") as log:
            return subprocess.Popen(
                [sys.executable, *self.program, self.project],
                cwd=self.root,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end it in order
            )


def _stopped() -> Event:
    return {"event": "ended", "outcome": "stopped", "message": "the frontier was stopped"}
