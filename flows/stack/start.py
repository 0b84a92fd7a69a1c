"""Start and end the stack: all of it or nothing, whatever an earlier one has left."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from flows.engine.processes import end_group, group, is_same_process
from flows.engine.stage_run import last_lines
from flows.server import prefect_settings
from flows.stack.processes import (
    STACK,
    Part,
    StackError,
    environment,
    folder,
    health,
    is_supervised,
    log_file,
    parts,
    port_key,
    running_parts,
    state,
)
from pipeline.core.bento.ports import HOST
from pipeline.core.run.termination import terminating

HEALTHY_WITHIN_S = 180.0
END_WITHIN_S = 100.0
MAX_EARLY_DEATHS = 3
"""So often a process may die before it was healthy once; then the start has failed."""
_POLL_S = 0.3

Say = Callable[[str], None]


def up(root: Path, say: Say) -> tuple[Part, ...]:
    """Start the stack unless it runs, and wait until all of it is healthy.

    Interrupted, or when a part does not get well, what was started is ended again.

    Raises:
        StackError: a port is taken (nothing was started), or a part dies or does not answer.
    """
    with _one_at_a_time(root), terminating():
        content = state(root)
        if content is not None and is_supervised(content):
            say(f"the stack runs already (supervisor {content['supervisor']['pid']})")
            running = running_parts(content)
            _wait_until_healthy(root, running, say)
            return running
        if ended := _end_leftovers(root, content):
            say(f"ended what an earlier stack had left: {', '.join(ended)}")
        wanted = parts(root)
        _refuse_taken_ports(wanted)
        prefect_settings.write_profile(root, environment(root)[prefect_settings.API_URL])
        try:
            _start_supervisor(root)
            _wait_until_healthy(root, wanted, say)
        except BaseException:
            say("ending what was started")
            _stop(root)
            raise
        return wanted


def down(root: Path) -> list[str]:
    """End the stack, and what a dead supervisor left of it; return the names of what ran."""
    with _one_at_a_time(root):
        return _stop(root)


def _stop(root: Path) -> list[str]:
    content = state(root)
    if content is not None and is_supervised(content):
        names = [name for name, entry in content["processes"].items() if entry["pid"]]
        supervisor = psutil.Process(content["supervisor"]["pid"])
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor.send_signal(signal.SIGTERM)
            try:
                supervisor.wait(END_WITHIN_S)
            except psutil.TimeoutExpired:
                supervisor.kill()
        return [*names, *(name for name in _end_leftovers(root, content) if name not in names)]
    return _end_leftovers(root, content)


def _end_leftovers(root: Path, content: Mapping[str, Any] | None) -> list[str]:
    """End the groups that a dead supervisor's state names, if they still are the stack's."""
    ended = []
    for name, entry in (content["processes"] if content else {}).items():
        pid = entry["pid"]
        if pid and _is_the_stacks(root, pid, entry["create_time"]) and end_group(pid, 10.0):
            ended.append(name)
    (folder(root) / "stack.json").unlink(missing_ok=True)
    for note in folder(root).glob("*.waits"):
        note.unlink()
    return ended


def _is_the_stacks(root: Path, pid: int, create_time: float) -> bool:
    """Whether the group still is what the supervisor started: by its leader, else its members."""
    if is_same_process(pid, create_time):
        return True
    for process in group(pid):
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(STACK) == str(folder(root)):
                return True
    return False


def _refuse_taken_ports(wanted: Sequence[Part]) -> None:
    taken = [part for part in wanted if part.port and not _is_free(part.port)]
    if not taken:
        return
    raise StackError(
        "expected free ports, nothing was started",
        findings=[
            f"{part.port} for {part.name} is taken by {_holder(part.port)}" for part in taken
        ],
        hint=f"end what holds them, or choose others: {port_key(taken[0].kind)}=… make up",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _holder(port: int | None) -> str:
    """Who listens there, as far as we may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:
                command = " ".join(psutil.Process(found.pid).cmdline())[:80]
                return f"process {found.pid} ({command})"
    return "a process of somebody else"


def _start_supervisor(root: Path) -> None:
    with log_file(root, "supervisor").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.stack.supervisor", str(root)],
            cwd=root,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not is_supervised(state(root)):
            if process.poll() is not None:
                raise _failed(root, "supervisor", f"ended with {process.returncode}")
            time.sleep(0.05)
    except BaseException:  # it may not have said yet who it is
        process.terminate()
        process.wait()
        raise


def _wait_until_healthy(root: Path, wanted: Sequence[Part], say: Say) -> None:
    began = time.monotonic()
    missing = {part.name: part for part in wanted}
    while missing:
        content = state(root)
        if content is None or not is_supervised(content):
            raise _failed(root, "supervisor", "has ended")
        for name, part in list(missing.items()):
            entry = content["processes"][name]
            found = health(root, part) if entry["pid"] else "does not run"
            took_s = time.monotonic() - began
            if found == "healthy" or found.startswith("waits: "):
                say(f"  {name:<16} {found}" + (f" after {took_s:.0f} s" if took_s > 1 else ""))
                del missing[name]
            elif not entry["pid"] and entry["num_restarts"] >= MAX_EARLY_DEATHS:
                raise _failed(root, name, f"died {entry['num_restarts']} times")
            elif took_s > HEALTHY_WITHIN_S:
                raise _failed(root, name, f"{found} ({HEALTHY_WITHIN_S:g} s)")
        time.sleep(_POLL_S)


def _failed(root: Path, name: str, what: str) -> StackError:
    log = log_file(root, name)
    return StackError(
        f"expected {name} to get healthy, it {what}; its last lines:",
        findings=last_lines(log, num_lines=8),
        hint=f"the whole log: {log}",
    )


@contextlib.contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """One `up` or `down` at a time."""
    folder(root).mkdir(parents=True, exist_ok=True)
    with FileLock(folder(root) / "lock"):
        yield
