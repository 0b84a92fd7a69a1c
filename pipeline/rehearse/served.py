"""A packaged service in processes of its own, for as long as somebody asks it things.

Nothing of it is left behind: not after an error, not after SIGTERM or Ctrl-C, and not when this
process is killed: a watcher, in a session of its own, then ends what is left.
"""

import contextlib
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.core.bento import folder as packaged
from pipeline.core.bento import watcher
from pipeline.core.bento.ports import free_port
from pipeline.core.bento.readiness import why_not_ready
from pipeline.core.errors import PipelineError
from pipeline.core.run.termination import terminating

HOST = "127.0.0.1"
NUM_LOG_LINES = 8
MAX_ATTEMPTS = 3
STARTUP_FAILED = "Application startup failed"
"""What uvicorn says when a worker cannot start; BentoML's own process goes on without it."""
_SAMPLE_S = 0.25


class NotServed(PipelineError):
    """The service did not get ready."""


@dataclass
class Served:
    """A service that is ready.

    Attributes:
        url: Where it answers, `http://127.0.0.1:PORT`.
        folder: The unpacked copy that it runs from.
        log: What it prints.
        startup_s: From the start of its process until it said that it is ready.
        mark: What its processes have in their environment; see `watcher`.
        peak_memory_bytes: The most that they were seen to hold resident together, pages that they
            share counted in each.
        stopped_s: How long its end took; None while it runs and when it had to be killed.
    """

    url: str
    folder: Path
    log: Path
    startup_s: float
    mark: str
    peak_memory_bytes: int = 0
    stopped_s: float | None = None

    def last_lines(self) -> str:
        return last_lines(self.log)


@contextlib.contextmanager
def served(
    bento: Path,
    timeout_s: float,
    grace_s: float,
    version: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve a copy of a bento on a free port; stop it when the block ends, however it ends.

    Args:
        bento: The bento's folder; it is copied, and never written to.
        timeout_s: How long it may take until it is ready.
        grace_s: How long it may take to end before it is killed.
        version: What it is to name itself; its own version when not given.
        environment: More variables for its process.

    Raises:
        NotServed: it ended, or was not ready in time; the message has its last lines.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(terminating())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hallmark-serve-")))
        copy, state = folder / "bento", folder / "home"
        shutil.copytree(bento, copy)
        state.mkdir()
        variables = {
            **packaged.serve_environment(state, version),
            **(environment or {}),
        }
        for attempt in range(1, MAX_ATTEMPTS + 1):
            log = folder / f"log-{attempt}.txt"
            try:
                running = stack.enter_context(_running(copy, log, timeout_s, grace_s, variables))
                break
            except NotServed:
                if (
                    attempt == MAX_ATTEMPTS
                    or "address already in use" not in log.read_text(errors="replace").lower()
                ):
                    raise
        yield running


@contextlib.contextmanager
def _running(
    copy: Path, log: Path, timeout_s: float, grace_s: float, environment: Mapping[str, str]
) -> Iterator[Served]:
    port, mark = free_port(), str(log)
    with contextlib.closing(_Watcher(mark, grace_s, log.parent)) as guard, log.open("wb") as stream:
        started = time.monotonic()
        process = subprocess.Popen(
            packaged.serve_command(copy, HOST, port),
            cwd=packaged.working_folder(copy),
            env={**environment, watcher.MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        service = Served(f"http://{HOST}:{port}", copy, log, 0.0, mark)
        memory = _MemorySampler(service)
        try:
            if why := why_not_ready(
                service.url, timeout_s, lambda: _why_it_ended(service, process)
            ):
                raise NotServed(
                    f"expected the service to get ready, {why}; its last lines:\n"
                    f"{service.last_lines()}"
                )
            service.startup_s = time.monotonic() - started
            yield service
        finally:
            memory.stop()
            began = time.monotonic()
            num_killed = watcher.end(mark, grace_s)
            process.wait()
            service.stopped_s = None if num_killed else time.monotonic() - began
            guard.dismiss()


def _why_it_ended(service: Served, process: "subprocess.Popen[bytes]") -> str:
    if process.poll() is not None:
        return f"its process ended with exit code {process.returncode}"
    failed = STARTUP_FAILED in service.log.read_text(errors="replace")
    return "its start-up failed" if failed else ""


class _Watcher:
    """The process that ends a service when this process ends without having done so."""

    def __init__(self, mark: str, grace_s: float, folder: Path) -> None:
        self._process = subprocess.Popen(
            watcher.command(mark, grace_s, folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Say that there is nothing left to end."""
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b"done\n")
                self._process.stdin.flush()

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


class _MemorySampler:
    """Looks at what a service holds resident, four times a second, and keeps the most."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_SAMPLE_S):
            held = resident_bytes(self._service.mark)
            self._service.peak_memory_bytes = max(self._service.peak_memory_bytes, held)


def resident_bytes(mark: str) -> int:
    """What a service's processes hold in memory just now."""
    held = 0
    for process in watcher.members(mark):
        with contextlib.suppress(psutil.Error):
            held += process.memory_info().rss
    return held


def last_lines(log: Path) -> str:
    """The last lines of a log, each set off, so that they read as a quotation."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    kept = [line.rstrip() for line in lines if line.strip()][-NUM_LOG_LINES:]
    return "\n".join(f"  | {line}" for line in kept) or "  | (the log is empty)"
