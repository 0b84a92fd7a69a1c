"""The relay between real sockets: clients that behave badly, and services that end."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from flows.serving import client as of_client
from flows.serving import descriptors
from flows.serving import relay as of_relay
from flows.serving.framing import RequestReader
from flows.serving.relay import Limits, Relay
from flows.serving.serve import bound

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNK = b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


@dataclass
class Service:
    """A service that answers with its name and with what it was asked.

    Attributes:
        name: Its name.
        dies_after: How many bytes of an answer it sends before it closes; None to send all.
        asked: What it was asked, whether it answered or not.
        connections: How many were opened to it.
        may_answer: Whether it answers now.
    """

    name: str
    dies_after: int | None = None
    padding: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> int:
        self.may_answer.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        is_refused = length > Limits().max_body_bytes
        body = b"" if is_refused else await reader.readexactly(length)
        self.asked.append({"first": first, "headers": headers, "size": len(body)})
        await self.may_answer.wait()
        content = json.dumps({"by": self.name, "padding": "x" * self.padding, **self.asked[-1]})
        status = b"413 Too Large" if is_refused else b"200 OK"
        answer = b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status, len(content))
        answer += b"" if first.startswith("HEAD") else content.encode()
        writer.write(answer[: self.dies_after])
        await writer.drain()
        if self.dies_after is not None:
            writer.transport.abort()
            raise ConnectionError


@dataclass
class Client:
    reader: Reader
    writer: Writer

    async def answer(self, is_head: bool = False) -> tuple[int, dict[str, Any]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        body = b"{}" if is_head else await self.reader.readexactly(length)
        return int(head.split()[1]), json.loads(body)

    async def ask(self, content: bytes) -> tuple[int, dict[str, Any]]:
        self.writer.write(content)
        return await self.answer(is_head=content.startswith(b"HEAD"))

    async def is_closed(self) -> bool:
        return await self.reader.read() == b""


@dataclass
class Bench:
    """A relay, and who connects to it."""

    relay: Relay
    port: int

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**22))
        await asyncio.sleep(0.01)  # the relay has taken it: their order counts
        return client

    async def point_to(self, service: Service) -> None:
        self.relay.point_to("127.0.0.1", await service.open())


@asynccontextmanager
async def relaying(max_clients: int | None = None) -> AsyncIterator[Bench]:
    listener = bound("127.0.0.1", 0)
    relay = Relay(listener, max_clients)
    await relay.open()
    yield Bench(relay, listener.getsockname()[1])
    relay.close()


def told(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story on the loop that serves."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(story(), 60))  # type: ignore[arg-type]


def post(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in (b"Content-Length: %d" % len(body), *headers))
    return b"POST /predict?a=b HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + body


def test_4_a_kept_connection_is_led_to_the_next_service() -> None:
    async def story() -> None:
        first, second = Service("first"), Service("second")
        async with relaying() as bench:
            client = await bench.client()
            early = asyncio.create_task(client.ask(GET))  # there is no service yet
            await bench.point_to(first)
            assert (await early)[1]["by"] == "first"
            assert (await client.ask(post(b"12345")))[1]["size"] == 5
            assert first.connections == 1
            await bench.point_to(second)
            status, found = await client.ask(post(b"123"))
            assert (status, found["by"], found["size"]) == (200, "second", 3)
            assert found["first"] == "POST /predict?a=b HTTP/1.1"

    told(story)


@pytest.mark.parametrize("num_bytes", [0, 10, 60])
def test_4_a_request_without_a_whole_answer_is_sent_again(num_bytes: int) -> None:
    """Its service ended before the answer, in its head, and in its body."""

    async def story() -> None:
        dying, living = Service("dying", dies_after=num_bytes), Service("living")
        async with relaying() as bench:
            await bench.point_to(dying)
            client = await bench.client()
            dying.may_answer.clear()
            waiting = asyncio.create_task(client.ask(post(b"x" * 1000)))
            while not dying.asked:
                await asyncio.sleep(0.01)
            await bench.point_to(living)
            dying.may_answer.set()
            status, found = await waiting
            assert (status, found["by"], found["size"]) == (200, "living", 1000)

    told(story)


def test_4_a_request_that_ends_every_service_is_given_up() -> None:
    async def story() -> None:
        dying = Service("dying", dies_after=0)
        async with relaying() as bench:
            await bench.point_to(dying)
            client = await bench.client()
            status, found = await client.ask(GET)
            assert (status, len(dying.asked)) == (503, of_client.MAX_SENDS)
            assert found == {
                "error": "the service ended while it worked on this request",
                "findings": [],
            }
            assert await client.is_closed()

    told(story)


def test_4_a_request_that_ends_its_service_is_sent_twice_on_a_kept_connection_too() -> None:
    """So it takes two workers at most."""

    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            client = await bench.client()
            assert (await client.ask(GET))[0] == 200
            service.dies_after = 0
            assert (await client.ask(post(b"123")))[0] == 503
            assert [one["size"] for one in service.asked] == [0, 3, 3]

    told(story)


def test_4_the_old_service_is_drained_before_it_ends() -> None:
    async def story() -> None:
        old, new = Service("old"), Service("new")
        async with relaying() as bench:
            await bench.point_to(old)
            old.may_answer.clear()
            client = await bench.client()
            waiting = asyncio.create_task(client.ask(GET))
            while not old.asked:
                await asyncio.sleep(0.01)
            target = bench.relay.target
            await bench.point_to(new)
            drained = asyncio.create_task(bench.relay.drained(target, 30))
            await asyncio.sleep(0.2)
            assert not drained.done()
            old.may_answer.set()
            assert (await waiting)[1]["by"] == "old"
            await drained

    told(story)


def test_10_a_client_that_closed_its_sending_side_is_answered() -> None:
    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            client = await bench.client()
            service.may_answer.clear()
            client.writer.write(post(b"12"))
            client.writer.write_eof()
            while not service.asked:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            service.may_answer.set()
            assert (await client.answer())[1]["size"] == 2
            assert await client.is_closed()
            half = await bench.client()
            half.writer.write(post(b"12")[:-1])
            half.writer.write_eof()
            assert await half.is_closed()  # nothing whole was asked

    told(story)


def test_3_the_oldest_idle_connection_makes_room() -> None:
    async def story() -> None:
        service = Service("it")
        async with relaying(max_clients=3) as bench:
            await bench.point_to(service)
            clients = [await bench.client() for _ in range(3)]
            assert (await clients[0].ask(GET))[0] == 200  # now it is the youngest
            clients[2].writer.write(GET[:10])  # is no idle one
            await asyncio.sleep(0.05)
            newest = await bench.client()
            assert await clients[1].is_closed()
            assert (await newest.ask(GET))[0] == 200
            assert (await clients[0].ask(GET))[0] == 200
            clients[2].writer.write(GET[10:])
            assert (await clients[2].answer())[0] == 200

    told(story)


def test_3_a_connection_too_many_is_refused_when_all_are_being_answered() -> None:
    async def story() -> None:
        service = Service("it")
        async with relaying(max_clients=2) as bench:
            await bench.point_to(service)
            service.may_answer.clear()
            busy = [await bench.client() for _ in range(2)]
            for client in busy:
                client.writer.write(GET)
            while len(service.asked) < 2:
                await asyncio.sleep(0.01)
            refused = await bench.client()
            assert (await refused.answer())[0] == 503
            service.may_answer.set()
            assert [(await client.answer())[0] for client in busy] == [200, 200]

    told(story)


@pytest.mark.parametrize(
    ("sent", "limit", "status"),
    [
        (b"", "IDLE_S", None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:", "HEAD_S", 408),
        (post(b"12345")[:-1], "", 408),
        (GET, "ANSWER_S", 504),
    ],
)
def test_3_who_takes_too_long_is_let_go(
    sent: bytes, limit: str, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit:
        monkeypatch.setattr(of_relay, limit, 0.1)

    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            bench.relay.limits.body_timeout_s = 0.1 if status == 408 else 30
            service.may_answer.clear()
            client = await bench.client()
            client.writer.write(sent)
            if status:
                assert (await client.answer())[0] == status
            assert await client.is_closed()
            assert len(service.asked) == (1 if status == 504 else 0)
            client.writer.close()
            while bench.relay.num_clients:
                await asyncio.sleep(0.01)
            assert bench.relay.held == 0

    told(story)


def test_3_an_answer_that_takes_too_long_ends_without_an_error_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_relay, "ANSWER_S", 0.5)
    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + b"x" * 1_000_000

    async def answer(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await reader.read()
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with relaying() as bench:
            bench.relay.point_to("127.0.0.1", server.sockets[0].getsockname()[1])
            client = await bench.client()
            client.writer.write(GET)
            found = b""
            with suppress(ConnectionError):
                while part := await client.reader.read(65536):
                    found += part
            assert found == begun[: len(found)]
            assert len(found) > 100

    told(story)


def test_3_who_reads_a_long_answer_has_more_time() -> None:
    async def answer(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")
        for _ in range(3):
            await goes_on.acquire()
            writer.write(b"x" * 300_000)

    async def story() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with relaying() as bench:
            bench.relay.point_to("127.0.0.1", server.sockets[0].getsockname()[1])
            client = await bench.client()
            client.writer.write(GET)
            since = []
            for _ in range(2):
                goes_on.release()
                await client.reader.readexactly(270_000)
                await asyncio.sleep(0.02)
                since += bench.relay.answering.values()
            assert since[1] > since[0]
            goes_on.release()
            await client.reader.readexactly(360_000)

    goes_on = asyncio.Semaphore(0)
    told(story)


def test_3_bodies_that_come_together_are_held_within_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_relay, "MAX_HELD_BYTES", 1000)

    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            clients = [await bench.client() for _ in range(3)]
            for client in clients:
                client.writer.write(post(b"x" * 500)[:-1])
                await asyncio.sleep(0.05)
            assert (await clients[0].answer())[0] == 503
            clients[2].writer.write(b"x")
            assert (await clients[2].answer())[1]["size"] == 500
            assert bench.relay.held <= 1000

    told(story)


def test_3_requests_that_wait_for_an_answer_are_held_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_relay, "MAX_HELD_BYTES", 200_000)

    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:  # no service is live yet
            clients = [await bench.client() for _ in range(6)]
            for client in clients:
                client.writer.write(post(b"x" * 60_000))
                await asyncio.sleep(0.05)
                assert bench.relay.held <= 200_000
            await bench.point_to(service)
            found = [(await client.answer())[0] for client in clients]
            assert found == [200, 200, 200, 503, 503, 503]
            assert bench.relay.held == 0

    told(story)


def test_3_what_a_client_sends_ahead_of_its_answer_counts_and_waits() -> None:
    """Whole requests and the beginning of one; what follows stays in the client's system."""

    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            client = await bench.client()
            together = post(b"x" * 100_000) * 20
            client.writer.write(together)
            await asyncio.sleep(0.2)
            held = bench.relay.held
            assert 100_000 < held < 800_000
            await asyncio.sleep(0.1)
            assert bench.relay.held == held
            await bench.point_to(service)
            assert [(await client.answer())[1]["size"] for _ in range(20)] == [100_000] * 20
            assert bench.relay.held == 0

    told(story)


def test_3_of_those_who_send_at_once_the_largest_are_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_relay, "MAX_HELD_BYTES", 100_000)

    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            small, heads, large = [[await bench.client() for _ in range(9)] for _ in range(3)]
            for client in small:
                client.writer.write(post(b"x" * 100)[:-1])
            for client in large:
                client.writer.write(post(b"x" * 30_000)[:-1])
                await asyncio.sleep(0.02)
            for client in heads:
                client.writer.write(GET[:-2] + b"X: " + b"x" * 20_000)
                await asyncio.sleep(0.02)
                assert bench.relay.held <= 100_000
            assert len(bench.relay.in_body) == len(small)
            assert 0 < len(bench.relay.in_head) < len(heads)
            for client in large:
                assert (await client.answer())[0] == 503
                assert await client.is_closed()  # and it was told once
            for client in small:
                assert (await client.ask(b"x"))[0] == 200

    told(story)


def test_3_small_chunks_take_no_more_memory_than_their_bytes() -> None:
    reader = RequestReader(1_000_000)
    reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    tracemalloc.start()
    try:
        for _ in range(500):
            reader.feed(b"2\r\nab\r\n" * 100)
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    assert reader.held >= 100_000


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("two framings", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("the other order", b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ("two lengths", b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
        ("one length twice", b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
        ("a list of lengths", b"Content-Length: 4, 4\r\n\r\nabcd"),
        ("a length with a sign", b"Content-Length: +4\r\n\r\nabcd"),
        ("a folded line", b"X: b\r\n c\r\n\r\n"),
        ("a bare line feed", b"X: b\nY: c\r\n\r\n"),
        ("a bare carriage return", b"X: b\rY: c\r\n\r\n"),
        ("a blank before the colon", b"Content-Length : 4\r\n\r\nabcd"),
        ("another coding", b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("a misspelt coding", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("two codings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
        ("a bare line feed in chunks", b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
        ("a chunk's size in words", b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
        ("an upgrade, a body", b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 4\r\n\r\n"),
        ("headers without end", b"X: " + b"y" * 120_000),
        ("long headers", b"X: " + b"y" * 70_000 + b"\r\n\r\n"),
        ("a NUL", b"X: a\x00b\r\n\r\n"),
        ("many headers", b"a:\r\n" * 100 + b"\r\n"),
        ("a trailer without end", CHUNK + b"0\r\nX: " + b"a" * 120_000),
        ("trailers without end", CHUNK + b"0\r\n" + b"X: a\r\n" * 20_000),
        ("an extension without end", CHUNK + b"1;a=" + b"a" * 120_000),
    ],
)  # fmt: skip
def test_3_what_two_readers_could_understand_differently_is_refused(
    name: str, lines: bytes
) -> None:
    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            client = await bench.client()
            client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\n" + lines[:40_000])
            await asyncio.sleep(0.02)
            client.writer.write(lines[40_000:])
            status, found = await client.answer()
            assert status in (400, 431, 501), name
            assert found["error"].startswith("expected")
            assert await client.is_closed()
            assert service.asked == []

    told(story)


def test_3_requests_ahead_of_their_answers_are_answered_in_order() -> None:
    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            client = await bench.client()
            together = b"".join(post(b"x" * size) for size in range(1, 40))
            client.writer.write(together[:1001])
            await asyncio.sleep(0.02)
            client.writer.write(together[1001:] + GET[:7])
            assert [(await client.answer())[1]["size"] for _ in range(1, 40)] == [*range(1, 40)]
            client.writer.write(GET[7:])
            assert (await client.answer())[0] == 200
            client.writer.write(GET * (2 + 2 * 100))
            answers = 0
            while (await client.answer())[0] == 200:
                answers += 1
            assert answers <= 101  # and then 400

    told(story)


def test_3_a_body_in_chunks_goes_on_with_one_length() -> None:
    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            client = await bench.client()
            head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x\r\n"
            head += b"Transfer-Encoding: chunked\r\nTrailer: T\r\n\r\n"
            await client.ask(head + b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: content-length\r\n\r\n")
            assert service.asked[0]["headers"] == {"host": "a", "content-length": "5"}

    told(story)


def test_3_a_body_that_is_too_large_is_left_to_the_service_to_refuse() -> None:
    """It is told the head alone; the client reads the answer though it still sends."""

    async def story() -> None:
        service = Service("it")
        async with relaying() as bench:
            await bench.point_to(service)
            size = Limits().max_body_bytes + 1
            client = await bench.client()
            client.writer.write(post(b"x" * size))
            assert (await client.answer())[0] == 413
            chunked = await bench.client()
            head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            chunked.writer.write(head + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n")
            assert (await chunked.answer())[0] == 413
            assert [one["size"] for one in service.asked] == [0, 0]

    told(story)


def test_3_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    async def story() -> None:
        async with relaying() as bench:
            await bench.point_to(Service("it"))
            client = await bench.client()
            whole = post(b"12345", b"Expect: 100-continue")
            client.writer.write(whole[:-5])
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            status, found = await client.ask(whole[-5:])
            assert (status, found["size"]) == (200, 5)
            assert "expect" not in found["headers"]

    told(story)


def test_3_answers_without_a_body_large_ones_and_old_clients() -> None:
    async def story() -> None:
        large = Service("large", padding=3_000_000)
        async with relaying() as bench:
            await bench.point_to(large)
            client = await bench.client()
            assert (await client.ask(GET.replace(b"GET", b"HEAD")))[0] == 200
            assert len((await client.ask(GET))[1]["padding"]) == 3_000_000
            assert (await client.ask(GET.replace(b"GET", b"HEAD")))[0] == 200
            old = await bench.client()
            assert (await old.ask(b"GET / HTTP/1.0\r\n\r\n"))[0] == 200
            assert await old.is_closed()
            offering = await bench.client()
            head = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            assert (await offering.ask(head))[0] == 200
            assert "upgrade" not in large.asked[-1]["headers"]

    told(story)


def test_3_room_for_connections_follows_from_the_limit_of_open_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = {"now": (256, 1024)}
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(descriptors.resource, "setrlimit", lambda _, to: limits.update(now=to))

    assert descriptors.room_for_connections() == (1024 - 128) / 2

    assert limits["now"] == (1024, 1024)
