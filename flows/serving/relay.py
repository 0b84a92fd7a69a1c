"""Hands connections on to whichever service is live, so that a change of versions refuses nobody.

Bytes go both ways as they come; what they mean is not looked at. A new connection goes to the
service that is live then, and waits a while when there is none.
"""

import asyncio
import contextlib
import socket

WAIT_S = 30.0
"""How long a connection waits for a service to be live."""
_LIMIT = 256 * 1024


class Relay:
    """A listening socket, and where its connections go.

    Args:
        listener: A bound socket.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._target: tuple[str, int] | None = None
        self._is_live = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Client(self), sock=self._listener, backlog=2048
        )

    def close(self) -> None:
        """Accept no more connections; those that are open go on until their service ends."""
        if self._server:
            self._server.close()

    def point_to(self, host: str, port: int) -> None:
        """Hand new connections on to this service."""
        self._target = (host, port)
        self._is_live.set()

    def hold(self) -> None:
        """No service is live: new connections wait."""
        self._target = None
        self._is_live.clear()

    async def connect(self, client: "_Client") -> None:
        """Connect a client with the live service; close it when none gets live in time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(WAIT_S):
                while not client.is_closed:
                    await self._is_live.wait()
                    with contextlib.suppress(OSError):
                        host, port = self._target or ("", 0)
                        await loop.create_connection(lambda: _Service(client), host, port)
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            client.close()


class _End(asyncio.Protocol):
    """One end of a relayed connection; what it reads, the other end writes."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- narrows the type
        self.transport = transport
        transport.set_write_buffer_limits(high=_LIMIT)

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other and self.other.transport and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True  # the other direction may go on

    def connection_lost(self, _: Exception | None) -> None:
        self.is_closed = True
        if self.other:
            self.other.close()

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport and not self.other.is_closed:
            self.other.transport.resume_reading()

    def close(self) -> None:
        if self.transport:
            self.transport.close()


class _Client(_End):
    """Whoever asks. Nothing is read from it before its service is there."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.transport:
            self.transport.pause_reading()
        self._connecting = asyncio.create_task(self._relay.connect(self))


class _Service(_End):
    """The service that answers."""

    def __init__(self, client: _Client) -> None:
        super().__init__()
        self.other = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.other is None or self.other.is_closed or self.other.transport is None:
            self.close()
            return
        self.other.other = self
        self.other.transport.resume_reading()
