"""hallmark serve under load and under attack: a real service with 1,024 open files at most."""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from flows.registry import promotion
from tests.flows.conftest import SOURCE, wait_until
from tests.flows.registry.conftest import finished, packaged_project  # noqa: F401 -- fixtures
from tests.flows.registry.test_promotion import two_versions
from tests.flows.registry.tracked import PROJECT, with_tables
from tests.flows.serving.test_serve import Server

pytestmark = pytest.mark.slow

TRACKED = True
ROW = json.dumps({"age": 30, "hours": 40, "job": "smith"}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n" % len(ROW) + ROW
HALF_SENT = HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 500_000
FEW_FILES = ("bash", "-c", 'ulimit -n 1024; exec "$@"', "-")
MEMORY_BYTES = 60_000_000
"""What the process may keep of a flood."""


@pytest.fixture(scope="module")
def root(
    packaged_project: Path,  # noqa: F811
    tables: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A repository with two versions, the first of them promoted."""
    copy = tmp_path_factory.mktemp("loaded") / "repository"
    shutil.copytree(packaged_project, copy)
    with_tables(copy, tables)
    two_versions(copy)
    promotion.promote(copy, PROJECT, "1", who="Ada", why="first")
    return copy


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    served = Server(root, before=FEW_FILES)
    served.wait_for("serving version 1")
    yield served
    assert served.end() == 0
    wait_until(lambda: not served.services(), 60)


@contextlib.contextmanager
def many_files() -> Iterator[int]:
    """Let this process open as many files as it may; how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def connected(port: int, number: int, sent: bytes = b"") -> Iterator[None]:
    """Connections that send the beginning of a request, and no more."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            with contextlib.suppress(ConnectionError):  # others made it go
                one.sendall(sent)
        yield


def slowest(port: int, number: int = 20) -> float:
    """The longest of some requests on connections of their own, in seconds."""
    took = []
    for _ in range(number):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 30) as one:
            one.sendall(REQUEST)
            assert one.recv(12) == b"HTTP/1.1 200"
        took.append(time.monotonic() - began)
    return max(took)


class Load:
    """Kept connections that ask all the time.

    Args:
        port: Where they ask.
        pause_s: How long each waits between two requests.

    Attributes:
        statuses: Of the answers, and how many requests or connections were lost.
        answered: When there was an answer, by the monotonic clock.
    """

    def __init__(self, port: int, pause_s: float = 0) -> None:
        self.port = port
        self.pause_s = pause_s
        self.statuses: Counter[str] = Counter()
        self.answered: list[float] = []
        self.is_over = False

    @contextlib.asynccontextmanager
    async def of(self, number: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ask()) for _ in range(number)]
        yield
        self.is_over = True
        await asyncio.gather(*tasks)

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while not self.is_over:
            try:
                writer.write(REQUEST)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.statuses["lost"] += 1
                return
            self.statuses[head.split()[1].decode()] += 1
            self.answered.append(time.monotonic())
            await asyncio.sleep(self.pause_s)
        writer.close()

    def longest_silence(self) -> float:
        times = sorted(self.answered)
        return max(later - earlier for earlier, later in pairwise(times))


def test_3_idle_and_slow_connections_do_not_end_the_service(server: Server) -> None:
    """More of each than it has files for; others are answered meanwhile, and memory comes back."""
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with many_files():
        with connected(server.port, 3000):
            assert slowest(server.port) < 5
        with connected(server.port, 600, HEAD[:40]):
            assert slowest(server.port) < 5
        with connected(server.port, 600, HALF_SENT[:200]):
            assert slowest(server.port) < 5
        with connected(server.port, 300, HALF_SENT):
            assert slowest(server.port) < 5
            wait_until(lambda: process.memory_info().rss < before + MEMORY_BYTES, 30)
    assert server.process.poll() is None
    assert server.predict()["model_version"] == "1"
    assert not server.says("trying again")


def test_4_five_switches_of_versions_lose_no_request(server: Server, root: Path) -> None:
    async def story() -> Counter[str]:
        load = Load(server.port, pause_s=0.05)  # leaves processors to the services that start
        async with load.of(64):
            for number in (2, 1, 2, 1, 2):
                length = len(server.log.read_text())
                await asyncio.to_thread(
                    promotion.promote, root, PROJECT, str(number), who="Ada", why="better"
                )
                words = f"now serving version {number}"
                await asyncio.to_thread(
                    wait_until, lambda n=length, w=words: w in server.log.read_text()[n:], 120
                )
                await asyncio.sleep(0.5)
        return load.statuses

    found = asyncio.run(story())

    assert set(found) == {"200"}
    assert found["200"] > 500


def test_4_a_worker_that_is_killed_under_load_is_not_noticed(server: Server) -> None:
    async def story() -> Load:
        load = Load(server.port)
        async with load.of(64):
            await asyncio.sleep(1)
            workers = [p for p in server.services() if "worker.service" in " ".join(p.cmdline())]
            assert len(workers) == 2
            workers[0].kill()
            await asyncio.sleep(4)
        return load

    load = asyncio.run(story())

    assert set(load.statuses) == {"200"}
    assert load.longest_silence() < 3
    wait_until(
        lambda: sum("worker.service" in " ".join(p.cmdline()) for p in server.services()) == 2
    )


RELAYED = """
import asyncio, sys, uvloop
from flows.serving.relay import Relay
from flows.serving.serve import bound

async def answer(reader, writer):
    while await reader.readline():
        if (await reader.readuntil(b"\\r\\n\\r\\n")):
            await reader.readexactly({length})
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    listener = bound("127.0.0.1", 0)
    relay = Relay(listener)
    await relay.open()
    relay.point_to(*server.sockets[0].getsockname())
    print(listener.getsockname()[1], relay.max_clients, flush=True)
    await asyncio.sleep(600)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


def test_3_ten_thousand_idle_connections_are_kept_where_there_is_room() -> None:
    """As many as the hard limit of open files allows; others are answered, memory comes back."""
    program = RELAYED.format(length=len(ROW))
    with (
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
        many_files() as room,
    ):
        assert process.stdout is not None
        port, max_clients = map(int, process.stdout.readline().split())
        try:
            slowest(port)
            before = psutil.Process(process.pid).memory_info().rss
            with connected(port, min(10_000, max_clients - 10, room - 200)):
                assert slowest(port) < 5
            held = lambda: psutil.Process(process.pid).memory_info().rss - before  # noqa: E731
            wait_until(lambda: held() < MEMORY_BYTES, 30)
            assert slowest(port) < 5
        finally:
            process.send_signal(signal.SIGKILL)
