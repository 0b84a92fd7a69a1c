"""The loop that looks after a service: what the system refuses now, it tries again later."""

import asyncio
import errno
from pathlib import Path
from typing import Any, cast

import pytest

from flows.registry.versions import Version
from flows.serving import serve
from flows.serving.relay import Limits, Relay
from flows.serving.serve import Serving, bound
from flows.serving.service_process import Service


class Running:
    """A service that only seems to run: the loop is what is tested."""

    version = cast(
        Version, type("Version", (), {"version": "1", "bento_digest": "", "overrides": ()})
    )
    port, is_alive, limits, num_ends = 1, True, Limits(), 0

    async def end(self) -> None:
        self.num_ends += 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        PermissionError(errno.EACCES, "Permission denied"),
        RuntimeError("can't start new thread"),
    ],
)
def test_3_what_the_system_refuses_is_told_once_and_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, told, asked = Running(), [], 0
    stop = asyncio.Event()

    async def start(*_: Any) -> Service:
        return cast(Service, service)

    def wanted(_: Serving) -> Version:
        nonlocal asked
        asked += 1
        if asked in (2, 3):
            raise error
        if asked > 4:
            stop.set()
        return service.version

    monkeypatch.setattr(serve, "start", start)
    monkeypatch.setattr(serve, "PAUSES_S", (0.01,))
    monkeypatch.setattr(serve, "_WATCH_S", 0.01)
    monkeypatch.setattr(Serving, "wanted", wanted)
    monkeypatch.setattr(Serving, "_described", lambda _: "version 1")

    def tell(words: str) -> None:
        told.append(words)
        raise BrokenPipeError(errno.EPIPE, "nobody reads it")

    async def story() -> None:
        relay = Relay(bound("127.0.0.1", 0))
        await relay.open()
        serving = Serving(Path(), "people", None, relay, "127.0.0.1", serve._safely(tell))
        await asyncio.wait_for(serving.run("http://here", stop), 60)

    asyncio.run(story())

    assert told == ["people: serving version 1 on http://here", f"people: {error}; trying again"]
    assert service.num_ends == 1
