"""Hands requests on to whichever service is live, so that a change of versions loses none.

A client's connection outlives the services behind it: between two of its requests it can be led to
another one. It is kept within limits: their number follows from the system's limit of open files,
and who says nothing, or sends a head or a body too slowly, is let go.
"""

import asyncio
import contextlib
import ctypes
import socket
from dataclasses import dataclass
from operator import attrgetter

from flows.serving.client import Client
from flows.serving.descriptors import room_for_connections
from flows.serving.upstream import Upstream

WAIT_S = 30.0
"""How long a request waits for a service to be live."""
IDLE_S = 60.0
HEAD_S = 10.0
ANSWER_S = 60.0
CLOSING_S = 2.0
"""How long a client may take to say nothing, to send a head, to be answered, and to read a refusal.
The time for a body is the service's."""
MAX_HELD_BYTES = 256 * 1024 * 1024
"""Of all requests together, heads and bodies; beyond it, whoever sends the most is let go."""
_SWEEP_S = 0.25
_RETRY_S = 0.1
_TRIM_BYTES, _TRIM_CLIENTS = 16 * 1024 * 1024, 1000


@dataclass
class Limits:
    """What the live service takes; see `package` in the settings.

    Attributes:
        max_body_bytes: The longest body; what is longer is left to the service to refuse.
        body_timeout_s: How long a body may take.
    """

    max_body_bytes: int = 1_048_576
    body_timeout_s: float = 8.0


@dataclass(eq=False)
class Target:
    """A service that requests go to.

    Attributes:
        host: Where it listens.
        port: Where it listens.
        num_answering: Requests that it has not answered yet.
    """

    host: str
    port: int
    num_answering: int = 0


class Relay:
    """A listening socket, and where its clients' requests go.

    Args:
        listener: A bound socket.
        max_clients: How many may be connected; as many as the system has room for by default.

    Attributes:
        idle, in_head, in_body, answering, closing: The clients by what they are waited for, each
            with the time since when, the longest first.
    """

    def __init__(self, listener: socket.socket, max_clients: int | None = None) -> None:
        self._listener = listener
        self.max_clients = max_clients or room_for_connections()
        self.limits = Limits()
        self.target: Target | None = None
        self.idle: dict[Client, float] = {}
        self.in_head: dict[Client, float] = {}
        self.in_body: dict[Client, float] = {}
        self.answering: dict[Client, float] = {}
        self.closing: dict[Client, float] = {}
        self.held = 0
        self._most_held = 0
        self._most_clients = 0
        self._is_live = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to accept connections."""
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(
            lambda: Client(self), sock=self._listener, backlog=2048
        )
        self._sweeping = asyncio.create_task(self._sweep())

    def close(self) -> None:
        """Accept no more connections, and let go who asks nothing; the others are answered."""
        if self._server:
            self._server.close()
        if self._sweeping:
            self._sweeping.cancel()
        for client in (*self.idle, *self.in_head, *self.in_body):
            client.abort()

    def point_to(self, host: str, port: int, limits: Limits | None = None) -> None:
        """Hand requests on to this service from now on."""
        self.target = Target(host, port)
        self.limits = limits or self.limits
        for clients in (self.idle, self.in_head, self.answering):
            for client in clients:
                client.reader.max_body_bytes = self.limits.max_body_bytes
        self._is_live.set()

    def hold(self) -> None:
        """No service is live: requests wait."""
        self.target = None
        self._is_live.clear()

    async def drained(self, target: Target | None, timeout_s: float) -> None:
        """Wait until a service that is no longer live has answered all that it was sent."""
        until = self._loop.time() + timeout_s
        while target and target.num_answering and self._loop.time() < until:
            await asyncio.sleep(_RETRY_S)

    async def connect(self, client: Client) -> None:
        """Connect a client with the live service; refuse its request when none gets live."""
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    await self._is_live.wait()
                    target = self.target
                    with contextlib.suppress(OSError):
                        if target is not None:
                            await self._loop.create_connection(
                                lambda target=target: Upstream(client, target),  # type: ignore[misc]
                                target.host,
                                target.port,
                            )
                            return
                    await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            client.refuse(503, f"no service was ready within {WAIT_S:g} seconds; try again")

    # Its clients.

    @property
    def num_clients(self) -> int:
        return sum(map(len, (self.idle, self.in_head, self.in_body, self.answering, self.closing)))

    def welcome(self, client: Client) -> None:
        """Take a new client; where there is no room, who has been silent the longest goes."""
        self.enter(client, self.idle)
        if self.num_clients <= self.max_clients:
            return
        for clients in (self.closing, self.idle, self.in_head, self.in_body):
            oldest = next(iter(clients), None)
            if oldest is not None and oldest is not client:
                oldest.abort()
                self.forget(oldest)
                return
        client.refuse(503, f"{self.max_clients:,} requests are being answered; try again")

    def enter(self, client: Client, state: dict[Client, float]) -> None:
        client.state.pop(client, None)
        client.state = state
        state[client] = self._loop.time()

    def forget(self, client: Client) -> None:
        client.state.pop(client, None)
        client.state = {}
        self._release(client)

    def _release(self, client: Client) -> None:
        self.held -= client.held
        client.held = 0

    def check_held(self, client: Client) -> None:
        """When all hold too much, let go whoever holds the most of those that still send, and of
        the client that has just sent more."""
        while self.held > MAX_HELD_BYTES:
            largest = max((*self.in_head, *self.in_body, client), key=attrgetter("held"))
            largest.refuse(503, "too many requests arrive at once; try again")
            self._release(largest)  # also where nothing can be written to it any more

    async def _sweep(self) -> None:
        """Let go who takes too long."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            body_s = self.limits.body_timeout_s
            late = "expected the {} within {:g} seconds"
            for client in self._late(self.closing, CLOSING_S):
                if not client.has_unread:
                    client.abort()
            for client in self._late(self.closing, ANSWER_S):
                client.abort()
            for client in self._late(self.idle, IDLE_S):
                client.abort()
            for client in self._late(self.in_head, HEAD_S):
                client.refuse(408, late.format("head of the request", HEAD_S))
            for client in self._late(self.in_body, body_s):
                client.refuse(408, late.format("body", body_s))
            for client in self._late(self.answering, ANSWER_S):
                client.refuse(504, f"the service did not answer within {ANSWER_S:g} seconds")
            self._give_back()

    def _late(self, clients: dict[Client, float], limit_s: float) -> list[Client]:
        before = self._loop.time() - limit_s
        found = []
        for client, since in clients.items():  # the longest first
            if since > before:
                break
            found.append(client)
        return found

    def _give_back(self) -> None:
        """Hand memory back to the system after a flood, where the C library has a call for it."""
        num_clients = self.num_clients
        self._most_held = max(self._most_held, self.held)
        self._most_clients = max(self._most_clients, num_clients)
        much = self._most_held - self.held > _TRIM_BYTES
        if much or self._most_clients - num_clients > _TRIM_CLIENTS:
            self._most_held, self._most_clients = self.held, num_clients
            if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
                trim(0)
