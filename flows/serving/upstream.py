"""A connection to a service, of one client alone: sends a request, and knows when it is answered.

No two clients share one, so what one of them sends can never be taken for another's.
"""

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from flows.serving.framing import Request

if TYPE_CHECKING:
    from flows.serving.client import Client
    from flows.serving.relay import Target

FINAL = 200
"""The lowest status of an answer; those below announce one."""
FLUSH_BYTES = 256 * 1024
"""An answer that is shorter is handed on whole, so that it can be asked for again until then."""


class Upstream(asyncio.Protocol):
    """The service's end of a relayed connection.

    Args:
        client: Who asks.
        target: The service.

    Attributes:
        is_handed_on: Whether the client has a part of the answer, and not all of it.
    """

    transport: asyncio.Transport

    def __init__(self, client: "Client", target: "Target") -> None:
        self._client, self._target = client, target
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._request: Request | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self.is_handed_on = False
        self._is_whole = False
        self._keeps = True
        self._is_closed = False

    def is_usable(self, target: "Target | None") -> bool:
        """Whether another request can be sent, and it leads to the live service."""
        return self._target is target and not self._is_closed and not self.transport.is_closing()

    def send(self, request: Request) -> None:
        """Send a request; its answer goes to the client."""
        self._request = request
        self.is_handed_on = self._is_whole = False
        self._target.num_answering += 1
        self.transport.write(request.content())

    def read(self, goes_on: bool) -> None:
        """Read what the service sends, or let it wait."""
        if self._is_closed or self.transport.is_closing():
            return
        if goes_on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def drop(self) -> None:
        """Close without handing anything on."""
        if self._request is not None:
            self._settle()
        self._parts.clear()
        self._parser = None  # it and this hold each other
        if not self._is_closed:
            self._is_closed = True
            self.transport.abort()

    def _settle(self) -> None:
        self._request = None
        self._target.num_answering -= 1

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # of uvloop, perhaps
        self.transport.set_write_buffer_limits(high=FLUSH_BYTES)
        self._client.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._is_closed or self._parser is None:
            return
        if self._request is None:  # nothing was asked
            self.drop()
            return
        self._parts.append(data)
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._keeps = False  # handed on as it is, until the service closes
        if self._is_whole:
            self._answer(is_whole=True)
        elif self._size > FLUSH_BYTES:
            self._answer(is_whole=False)

    def connection_lost(self, _: Exception | None) -> None:
        if self._is_closed:
            return
        self._is_closed, self._parser = True, None
        if self._request is None:
            self._client.upstream = None
            return
        if self.is_handed_on or (self._parts and self._ends_with_the_connection()):
            self._keeps = False
            self._answer(is_whole=True)
        else:
            self._settle()
            self._client.unanswered()

    def _ends_with_the_connection(self) -> bool:
        """Whether the answer names no length, so that its end is that of the connection."""
        head, is_whole, _ = b"".join(self._parts).partition(b"\r\n\r\n")
        lengths = (b"\ncontent-length:", b"\ntransfer-encoding:")
        return bool(is_whole) and not any(length in head.lower() for length in lengths)

    def _answer(self, is_whole: bool) -> None:
        content = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        self.is_handed_on = not is_whole
        if is_whole:
            self._settle()
        self._client.answered(content, is_whole, self._keeps)

    # What httptools calls.

    def on_headers_complete(self) -> None:
        if self._parser and self._parser.get_status_code() >= FINAL:
            self._keeps = self._parser.should_keep_alive()
            if self._request is not None and self._request.method == b"HEAD":
                self._is_whole = True
                self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body

    def on_message_complete(self) -> None:
        if self._parser and self._parser.get_status_code() >= FINAL:
            self._is_whole = True
