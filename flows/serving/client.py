"""One client's connection: its requests go to the service one by one, and the answers come back.

A request is handed on once it is whole, so a slow client takes nothing from the service, and a
request that got no answer because its service ended is sent again, to the one that is live then:
the service's answers are functions of the request, so that does no harm.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import orjson

from flows.serving.framing import Malformed, Request, RequestReader
from flows.serving.upstream import Upstream

if TYPE_CHECKING:
    from flows.serving.relay import Relay

MAX_SENDS = 2
"""How often a request is sent to services that end before they answer: the request itself may be
what ends them, and there are two workers."""
WRITE_LIMIT = 256 * 1024
"""Bytes that wait for a client to read them; beyond it, its service is not read."""


class Client(asyncio.Protocol):
    """Whoever asks.

    Attributes:
        state: Which of the relay's tables it stands in: what it is waited for.
        held: Bytes of requests that are kept for it.
        upstream: Its connection to a service; kept between requests.
    """

    transport: asyncio.Transport

    def __init__(self, relay: "Relay") -> None:
        self.relay = relay
        self.reader = RequestReader(relay.limits.max_body_bytes)
        self.state: dict[Client, float] = {}
        self.held = 0
        self.upstream: Upstream | None = None
        self.request: Request | None = None
        self._num_sends = 0
        self._connecting: asyncio.Task[None] | None = None
        self._refusal: Malformed | None = None
        self._has_all = False  # the client sends nothing more
        self._is_reading = True
        self._can_write = True
        self.is_closed = False

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # of uvloop, perhaps
        self.transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self.relay.welcome(self)

    def data_received(self, data: bytes) -> None:
        if self.state is self.relay.closing:
            return  # what a refused client goes on to send
        try:
            self.reader.feed(data)
        except Malformed as refusal:
            self._refusal = refusal
        if self.request is None:
            self._next()
        else:  # it goes on before it is answered
            self._read(not self.reader.is_ahead)
            self._hold()

    def eof_received(self) -> bool:
        self._has_all = True
        return self.request is not None or bool(self.reader.whole)  # else the loop closes it

    def connection_lost(self, _: Exception | None) -> None:
        self.is_closed = True
        self.relay.forget(self)
        if self._connecting:
            self._connecting.cancel()
        if self.upstream:
            self.upstream.drop()
        self.reader.close()
        self.request = self.upstream = self._connecting = None

    def pause_writing(self) -> None:
        self._can_write = False
        if self.upstream:
            self.upstream.read(False)

    def resume_writing(self) -> None:
        self._can_write = True
        if self.upstream:
            self.upstream.read(True)
        if self.request is None and not self.is_gone:
            self._next()

    @property
    def is_gone(self) -> bool:
        """Whether nothing can be written any more; uvloop refuses to be asked then."""
        return self.is_closed or self.transport.is_closing()

    @property
    def has_unread(self) -> bool:
        """Whether a part of its answer waits for it to read."""
        return self.transport.get_write_buffer_size() > 0

    # Its requests.

    def _next(self) -> None:
        """Send the next whole request, or wait for what is missing."""
        relay, reader = self.relay, self.reader
        if reader.whole and self._can_write:
            self.request, self._num_sends = reader.whole.popleft(), 0
            self._read(not reader.is_ahead)
            relay.enter(self, relay.answering)
            self._hold()
            self._send()
        elif reader.whole:
            self._read(not reader.is_ahead)
            self._hold()
        elif self._refusal:
            self.refuse(self._refusal.status, self._refusal.error)
        elif self._has_all or reader.has_ended:
            self._end()
        elif reader.current is None:
            if self.state is not relay.idle:
                relay.enter(self, relay.idle)
            self._read(True)
            self._hold()
        else:
            self._wait_for(reader.current)

    def _wait_for(self, request: Request) -> None:
        relay = self.relay
        state = relay.in_body if self.reader.is_in_body else relay.in_head
        if self.state is not state:
            relay.enter(self, state)
        self._read(True)
        self._hold()
        if self.reader.is_in_body and request.waits and self.state is state:
            request.waits = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read(self, goes_on: bool) -> None:
        """Read what the client sends, or let it wait."""
        if goes_on == self._is_reading:
            return
        self._is_reading = goes_on
        if goes_on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def _hold(self) -> None:
        """Tell the relay how much is kept now; where it is too much, this may be refused."""
        before, self.held = self.held, self.reader.held
        if self.request is not None:
            self.held += self.request.held
        self.relay.held += self.held - before
        if self.held > before:
            self.relay.check_held(self)

    def _send(self) -> None:
        """Send the request to the live service, over the connection to it if there is one."""
        request, upstream = self.request, self.upstream
        if request is None:
            return
        if upstream and upstream.is_usable(self.relay.target):
            upstream.send(request)
            return
        if upstream:
            upstream.drop()
        self.upstream = None
        self._connecting = asyncio.ensure_future(self.relay.connect(self))

    def connected(self, upstream: Upstream) -> None:
        """A connection to the live service is there."""
        self._connecting, self.upstream = None, upstream
        if self.request and not self.is_gone:
            upstream.send(self.request)
        else:
            upstream.drop()

    def answered(self, content: bytes, is_whole: bool, stays: bool) -> None:
        """Hand on the answer, or a part of it.

        Args:
            content: Its bytes.
            is_whole: Whether these are the last.
            stays: Whether the connection to the client may go on.
        """
        if self.is_gone:
            return
        self.transport.write(content)
        if not is_whole:
            self.relay.enter(self, self.relay.answering)  # who reads a long answer has more time
            return
        request, self.request = self.request, None
        if not stays or request is None or not request.keeps:
            self._end()
            return
        self._next()

    def unanswered(self) -> None:
        """The service ended before it answered, or closed a connection that it thought idle:
        another one is asked."""
        self._num_sends += 1
        if self.is_gone:
            return
        if self._num_sends >= MAX_SENDS:
            words = "the service ended while it worked on this request"
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, words)
        else:
            self._send()

    # Its end.

    def refuse(self, status: int, error: str) -> None:
        """Answer with an error in the service's own form, and close. Within an answer, only close:
        the client would read the error as a part of it."""
        if self.is_gone or self.state is self.relay.closing:
            return
        if self.upstream and self.upstream.is_handed_on:
            self.abort()
            return
        body = orjson.dumps({"error": error, "findings": []})
        reason = HTTPStatus(status).phrase.encode()
        retry = b"retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else b""
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"%sconnection: close\r\n\r\n%s" % (status, reason, len(body), retry, body)
        )
        self._end()

    def _end(self) -> None:
        """Close once all is written. Who still sends is let go on for a while: closed at once, the
        system would throw away the answer that he has not read yet."""
        if self._connecting:
            self._connecting.cancel()
        if self.upstream:
            self.upstream.drop()
        self.request = self.upstream = self._connecting = None
        self.reader.close()
        self.relay.enter(self, self.relay.closing)
        self._hold()
        if self._has_all:
            self.transport.close()
            return
        self._read(True)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self) -> None:
        """Close at once."""
        if not self.is_closed:
            self.transport.abort()
