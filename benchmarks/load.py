"""A load generator: many keep-alive connections, each sending its next request when the last one
is answered. A process of its own, so that it measures a server and not itself.

    python benchmarks/load.py http://127.0.0.1:3000/predict bodies.json --connections 32 --seconds 5

`bodies.json` is a list of JSON texts, which all connections send in turn. Prints one JSON object:
requests per second, latency by percentile in milliseconds, and how many answers had which status.
"""

import argparse
import asyncio
import gc
import json
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

WARM_UP_S = 1.0


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; counts what ends after the warm-up and before the end."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.received = bytearray()
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.received.clear()
        self.sent = time.perf_counter()
        self.transport.write(next(self.load.requests))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return
        start = self.received.lower().find(b"content-length:", 0, head)
        length = int(self.received[start + 15 : self.received.find(b"\r\n", start)])
        if len(self.received) < head + 4 + length:
            return
        now = time.perf_counter()
        if now > self.load.begin:
            self.load.latencies.append(now - self.sent)
            self.load.statuses[self.received[9:12].decode()] += 1
        if now < self.load.end:
            self.send()
        else:
            self.close()

    def close(self) -> None:
        self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if time.perf_counter() < self.load.end:
            self.load.statuses["connection lost"] += 1
        self.load.left()


class Load:
    """One run against one address."""

    def __init__(self, url: str, bodies: list[str], seconds: float) -> None:
        address = urlsplit(url)
        self.host, self.port = address.hostname, address.port
        head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: "
        encoded = [body.encode() for body in bodies]
        self.requests = cycle([f"{head}{len(one)}\r\n\r\n".encode() + one for one in encoded])
        self.seconds = seconds
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.num_open = 0
        self.done = asyncio.Event()

    async def run(self, num_connections: int) -> dict[str, object]:
        self.begin = time.perf_counter() + WARM_UP_S
        self.end = self.begin + self.seconds
        self.num_open = num_connections
        loop = asyncio.get_running_loop()
        for _ in range(num_connections):
            await loop.create_connection(lambda: Connection(self), self.host, self.port)
        await asyncio.wait_for(self.done.wait(), self.seconds + WARM_UP_S + 60)
        return self.summary()

    def left(self) -> None:
        self.num_open -= 1
        if self.num_open == 0:
            self.done.set()

    def summary(self) -> dict[str, object]:
        times = sorted(self.latencies)
        at = {p: times[min(len(times) - 1, len(times) * p // 100)] for p in (50, 95, 99)}
        num_ok = self.statuses["200"]
        return {
            "requests_per_s": round(num_ok / self.seconds, 1),
            **{f"p{p}_ms": round(value * 1000, 2) for p, value in at.items()},
            "max_ms": round(times[-1] * 1000, 2),
            "statuses": dict(self.statuses),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    load = Load(given.url, json.loads(given.bodies.read_text()), given.seconds)
    gc.freeze()  # its own pauses would be taken for the server's
    print(json.dumps(asyncio.run(load.run(given.connections))))


if __name__ == "__main__":
    main()
