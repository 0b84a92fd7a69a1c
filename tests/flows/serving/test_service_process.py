"""A version's processes and their end."""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import cast

import pytest
import uvloop

from flows.registry.versions import Version
from flows.serving.relay import Limits
from flows.serving.service_process import Service
from pipeline.core.bento import watcher


@pytest.mark.parametrize("steps", [1, 6])
def test_5_an_end_that_is_cut_short_can_be_gone_on_with(tmp_path: Path, steps: int) -> None:
    """Ctrl-C while the old version of a switch ends."""
    state = tmp_path / "state"
    state.mkdir()

    async def story() -> None:
        guard = await asyncio.create_subprocess_exec(
            *watcher.command(str(state), 10, state), stdin=asyncio.subprocess.PIPE
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "import time; time.sleep(600)"),
            env={**os.environ, watcher.MARK: str(state)},
        )
        version = cast(Version, None)
        now = time.monotonic()
        service = Service(version, process, str(state), guard, 1, state, Limits(), now)
        ending = asyncio.create_task(service.end())
        for _ in range(steps):
            await asyncio.wait([ending], timeout=0.03)
        ending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ending
        await service.end()
        await service.end()
        assert (process.returncode, guard.returncode) == (-15, 0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(story(), 60))
    assert not state.exists()
