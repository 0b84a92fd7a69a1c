"""A version's own service: BentoML's processes, started on a port of their own, and ended."""

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from flows.registry import versions as registry
from flows.registry.versions import Version
from flows.serving.relay import Limits
from pipeline.core.bento import folder as bento
from pipeline.core.bento import watcher
from pipeline.core.bento.ports import free_port
from pipeline.core.bento.readiness import why_not_ready
from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.files import read_json

INNER_HOST = "127.0.0.1"
START_S = 90.0
"""How long a service may take until it is ready."""
GRACE_S = 10.0
"""How long a service may take to end before it is killed."""
NUM_WORKERS = 2
"""Processes that answer: while one that died is started again, which takes seconds, the other one
is there. HALLMARK_WORKERS sets another number."""


class ServiceError(PipelineError):
    """A version's service does not get ready."""


@dataclass
class Service:
    """A version's service, in a process group of its own.

    Attributes:
        version: What it serves.
        process: The first of its processes.
        mark: What all of them have in their environment; see `pipeline.core.bento.watcher`.
        guard: Ends them when we are killed.
        port: Where it listens.
        state: BentoML's folder for it.
        limits: What it takes.
        started: When, by `time.monotonic`.
    """

    version: Version
    process: asyncio.subprocess.Process
    mark: str
    guard: asyncio.subprocess.Process
    port: int
    state: Path
    limits: Limits
    started: float

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    async def end(self) -> None:
        """End all its processes; requests that it works on are answered first."""
        await asyncio.to_thread(watcher.end, self.mark, GRACE_S)
        await self.process.wait()
        await _dismiss(self.guard, self.state)


async def start(root: Path, version: Version, host: str) -> Service:
    """Start a version's service and wait until it is ready.

    Args:
        root: The checkout.
        version: What to serve.
        host: The address that clients reach it by.

    Raises:
        ArtifactMissing: its bento is gone, or is not the one that was registered.
        ServiceError: it ended, or was not ready in time.
        OSError: the system has no room for another process or file.
    """
    folder = await asyncio.to_thread(registry.bento_folder, root, version)
    port = free_port()
    state = Path(tempfile.gettempdir()) / f"hallmark-serve-{secrets.token_hex(6)}"
    guard = await asyncio.create_subprocess_exec(
        *watcher.command(str(state), GRACE_S, state),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # before there is anything that it would have to remove
    try:
        state.mkdir(mode=0o700)
        process = await _process(folder, port, state, version, host)
    except BaseException:
        await _dismiss(guard, state)
        raise
    limits = _limits(folder)
    service = Service(version, process, str(state), guard, port, state, limits, time.monotonic())
    try:
        why = await asyncio.to_thread(
            why_not_ready,
            f"http://{INNER_HOST}:{port}",
            START_S,
            lambda: _why_it_ended(service),
        )
        if why:
            raise ServiceError(f"expected version {version.version} to get ready, {why}")
    except BaseException:
        await service.end()
        raise
    return service


async def _process(
    folder: Path, port: int, state: Path, version: Version, host: str
) -> asyncio.subprocess.Process:
    token = os.environ.get("HALLMARK_TOKEN")
    environment = bento.serve_environment(state, version.version, token, host, num_workers())
    return await asyncio.create_subprocess_exec(
        *bento.serve_command(folder, INNER_HOST, port),
        cwd=bento.working_folder(folder),
        env={**environment, watcher.MARK: str(state)},
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


def num_workers() -> int:
    """How many processes answer for one version.

    Raises:
        ProjectError: HALLMARK_WORKERS is no such number.
    """
    given = os.environ.get(bento.WORKERS) or str(NUM_WORKERS)
    if not (given.isdecimal() and int(given)):
        raise ProjectError(
            f"expected {bento.WORKERS} to be a number of processes, at least 1, got {given!r}",
            hint=f"unset it for {NUM_WORKERS}",
        )
    return int(given)


async def _dismiss(guard: asyncio.subprocess.Process, state: Path) -> None:
    """Say to the guard that nothing is left; again, when that was cut short."""
    shutil.rmtree(state, ignore_errors=True)  # first: from then on nobody else would
    if guard.stdin and guard.returncode is None and not guard.stdin.is_closing():
        with contextlib.suppress(OSError, RuntimeError):  # it has gone, perhaps; uvloop says so
            guard.stdin.write(b"nothing is left\n")
            await guard.stdin.drain()
            guard.stdin.close()
    await guard.wait()


def _limits(folder: Path) -> Limits:
    known = read_json(folder / bento.SOURCE / bento.SERVICE)["limits"]
    return Limits(known["max_body_bytes"], known["body_timeout_s"])


def _why_it_ended(service: Service) -> str:
    if service.is_alive:
        return ""
    return f"its process ended with exit code {service.process.returncode}; its words stand above"
