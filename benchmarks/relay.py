"""The relay of `hallmark serve` ahead of a packaged service: what it costs, and what floods do.

    PYTHONPATH=. python benchmarks/relay.py adult                       all
    PYTHONPATH=. python benchmarks/relay.py adult --before FOLDER       beside another checkout's

Loads the service directly and through the relay in turn, in one run, then opens connections that
stay silent, send heads or bodies that do not end, and asks beside them. Needs a built project, and
a limit of open files (`ulimit -n`) beyond 10,000 for all of the flood.
"""

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.serve import bodies_of, clean_rows, load, running, servers_of
from pipeline.core.bento.ports import HOST, free_port

CONNECTIONS = (1, 32, 64)
BY_BEFORE = "before"
POST = b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n"
FLOODS = {
    "10,000 idle": (10_000, b""),
    "2,000 heads without end": (2_000, b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"),
    "2,000 bodies without end": (2_000, POST + b"x"),
    "300 halves of 1 MB": (300, POST + b" " * 500_000),
}
NUM_ASKED = 100
PROGRAM = """
import asyncio, sys
from flows.serving.relay import Relay
from flows.serving.serve import bound

async def main():
    relay = Relay(bound("127.0.0.1", int(sys.argv[1])))
    await relay.open()
    relay.point_to("127.0.0.1", int(sys.argv[2]))
    print("open", flush=True)
    await asyncio.sleep(1e6)

if "uvloop" in open(sys.modules["flows.serving.serve"].__file__).read():
    import uvloop
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
else:
    asyncio.run(main())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        scratch = Path(name)
        server = servers_of(scratch, given.project, ["hallmark"], None)[0]
        service = stack.enter_context(running(server, scratch / "log"))
        port = int(service.url.rpartition(":")[2])
        relays = {"relay": stack.enter_context(relaying(Path.cwd(), port))}
        if given.before:
            relays[BY_BEFORE] = stack.enter_context(relaying(given.before, port))
        bodies = bodies_of(clean_rows(given.project), 1, server)
        for connections in CONNECTIONS:
            print(compared(scratch, relays, service.url, bodies, connections, given), flush=True)
        for title, (number, sent) in FLOODS.items():
            print(flooded(title, *relays["relay"], number, sent, bodies[0]), flush=True)


@contextlib.contextmanager
def relaying(checkout: Path, service: int) -> Iterator[tuple[psutil.Process, int]]:
    """A relay ahead of a service, by a checkout's code; its process and its port."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port), str(service)],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None  # noqa: S101 -- narrows the type
        process.stdout.readline()
        yield psutil.Process(process.pid), port
        process.kill()


def compared(
    scratch: Path,
    relays: dict[str, tuple[psutil.Process, int]],
    url: str,
    bodies: list[str],
    connections: int,
    given: argparse.Namespace,
) -> str:
    """Requests per second directly and through each relay, and a relay's CPU for one request."""
    rates: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        point: dict[str, Any] = load(scratch, f"{url}/predict", bodies, connections, given.seconds)
        rates.setdefault("direct", []).append(point["requests_per_s"])
        for name, (process, port) in relays.items():
            before = sum(process.cpu_times()[:2])
            through = f"http://{HOST}:{port}/predict"
            point = load(scratch, through, bodies, connections, given.seconds)
            num = point["requests_per_s"] * (given.seconds + 1)  # with the warm-up
            spent.setdefault(name, []).append((sum(process.cpu_times()[:2]) - before) / num * 1e6)
            rates.setdefault(name, []).append(point["requests_per_s"])
    words = [f"{name} {median(found):,.0f} requests/s" for name, found in rates.items()]
    words += [f"{name} {median(found):.0f} µs of CPU a request" for name, found in spent.items()]
    return f"{connections} connections: " + ", ".join(words)


def flooded(
    title: str, process: psutil.Process, port: int, number: int, sent: bytes, body: str
) -> str:
    """How long others take beside a flood, and what memory it leaves."""
    ask(port, body)
    before = process.memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            one = stack.enter_context(socket.create_connection((HOST, port), 30))
            with contextlib.suppress(ConnectionError):
                one.sendall(sent)
        took = sorted(ask(port, body) for _ in range(NUM_ASKED))
        during = process.memory_info().rss
    time.sleep(3)
    after = process.memory_info().rss
    megabytes = ", ".join(f"{(one - before) / 1e6:+.0f}" for one in (during, after))
    return (
        f"{title}: median {median(took) * 1e3:.1f} ms, longest of {NUM_ASKED} "
        f"{took[-1] * 1e3:.0f} ms; memory during and after {megabytes} MB"
    )


def ask(port: int, body: str) -> float:
    """How long one request on a connection of its own takes, in seconds."""
    content = body.encode()
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    began = time.monotonic()
    with socket.create_connection((HOST, port), 30) as one:
        one.sendall(head + b"Content-Length: %d\r\n\r\n" % len(content) + content)
        if not one.recv(64).startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"expected an answer to {json.loads(body)}")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
