"""A version's own service: BentoML's processes, started on a port of their own, and ended."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from flows.registry import versions as registry
from flows.registry.versions import Version
from pipeline.core.bento import folder as bento
from pipeline.core.bento import watcher
from pipeline.core.bento.ports import free_port
from pipeline.core.bento.readiness import why_not_ready
from pipeline.core.errors import PipelineError

INNER_HOST = "127.0.0.1"
START_S = 90.0
"""How long a service may take until it is ready."""
GRACE_S = 10.0
"""How long a service may take to end before it is killed."""


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
        started: When, by `time.monotonic`.
    """

    version: Version
    process: asyncio.subprocess.Process
    mark: str
    guard: asyncio.subprocess.Process
    port: int
    state: Path
    started: float

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    async def end(self) -> None:
        """End all its processes; requests that it works on are answered first."""
        await asyncio.to_thread(watcher.end, self.mark, GRACE_S)
        await self.process.wait()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await self.guard.communicate(b"nothing is left\n")
        shutil.rmtree(self.state, ignore_errors=True)


async def start(root: Path, version: Version) -> Service:
    """Start a version's service and wait until it is ready.

    Raises:
        ArtifactMissing: its bento is gone, or is not the one that was registered.
        ServiceError: it ended, or was not ready in time.
    """
    folder = await asyncio.to_thread(registry.bento_folder, root, version)
    port, state = free_port(), Path(tempfile.mkdtemp(prefix="hallmark-serve-"))
    token = os.environ.get("HALLMARK_TOKEN")
    mark = str(state)
    guard = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", watcher.__file__, mark, str(GRACE_S)),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    process = await asyncio.create_subprocess_exec(
        *bento.serve_command(folder, INNER_HOST, port),
        cwd=bento.working_folder(folder),
        env={**bento.serve_environment(state, version.version, token), watcher.MARK: mark},
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    service = Service(version, process, mark, guard, port, state, time.monotonic())
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


def _why_it_ended(service: Service) -> str:
    if service.is_alive:
        return ""
    return f"its process ended with exit code {service.process.returncode}; its words stand above"
