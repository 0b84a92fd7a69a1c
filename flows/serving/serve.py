"""`hallmark serve`: the champion's service on one address, whichever version that is.

The bento's own process listens on a port that nobody else knows; `flows/serving/relay.py` hands
requests on to it. When another version is promoted its service is started first, requests go to it
once it is ready, and the old one ends when it has answered those that it has: none is lost.
"""

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from flows.registry import versions as registry
from flows.registry.overrides import check_in_force, expired
from flows.registry.promotion import point
from flows.registry.versions import Version
from flows.serving.relay import Relay
from flows.serving.service_process import GRACE_S, INNER_HOST, Service, num_workers, start
from pipeline.core.bento import folder as bento
from pipeline.core.errors import PipelineError, ProjectError

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Between the starts of a service that crashes again and again."""
STEADY_S = 60.0
"""A service that has lived so long before it crashed is started at once."""
DRAIN_S = 20.0
"""How long the old service may take for what it is still asked."""
_WATCH_S = 0.5

Tell = Callable[[str], None]


class Serving:
    """One address, and the service behind it.

    Args:
        root: The checkout.
        project: The project's name.
        pinned: Serve this version whatever is promoted; None to follow the champion.
        relay: Where connections come in.
        host: The address that clients reach it by.
        tell: Is told what happens.
    """

    def __init__(
        self, root: Path, project: str, pinned: str | None, relay: Relay, host: str, tell: Tell
    ) -> None:
        self._root = root
        self._project = project
        self._pinned = pinned
        self._relay = relay
        self._host = host
        self._tell = tell
        self._service: Service | None = None
        self._retired: list[Service] = []
        self._num_crashes = 0
        self._given_up: str | None = None
        self._told: set[str] = set()
        self._trouble = ""

    def wanted(self) -> Version:
        """The version to serve. A candidate that is served stays until one is promoted."""
        if self._pinned is not None:
            return registry.resolve(self._root, self._project, self._pinned)
        live = point(self._root, self._project)
        if live is None and self._service is not None:
            return self._service.version
        return live or registry.served(self._root, self._project)

    async def run(self, url: str, stop: asyncio.Event) -> None:
        """Serve until `stop`.

        Raises:
            PipelineError: the first service cannot be started.
        """
        try:
            self._go_live(await start(self._root, self.wanted(), self._host))
            self._tell(f"{self._project}: serving {self._described()} on {url}")
            while not await _is_set_within(stop, _WATCH_S):
                await self._look_after()
        finally:
            self._relay.close()
            await self._relay.drained(self._relay.target, GRACE_S)
            if self._service:
                self._retired.append(self._service)
            await self._end_retired()

    async def _look_after(self) -> None:
        """Start a service that crashed, and change over to the version that is live now."""
        service = self._service
        try:
            await self._end_retired()
            if service is None or not service.is_alive:
                await self._restart(service)
                return
            self._tell_of_overrides(service.version)
            version = self.wanted()
            changed = version.bento_digest != service.version.bento_digest
            if version.version != service.version.version or changed:
                await self._change_over(service, version)
            self._trouble = ""
        except (PipelineError, OSError, RuntimeError) as error:
            # RuntimeError: the system has no room for another thread.
            await self._try_again(error)

    async def _try_again(self, error: Exception) -> None:
        """What is wrong is told once; it is tried again as long as it is wrong."""
        if self._trouble != str(error):
            self._trouble = str(error)
            self._tell(f"{self._project}: {error}; trying again")
        await asyncio.sleep(PAUSES_S[0])

    async def _change_over(self, old: Service, version: Version) -> None:
        if self._given_up == version.version:
            return
        try:
            check_in_force(version)
            new = await start(self._root, version, self._host)
        except PipelineError as error:
            self._given_up = version.version  # until another one is promoted
            self._tell(f"{self._project}: version {version.version} cannot be served: {error}")
            self._tell(f"{self._project}: version {old.version.version} stays")
            return
        self._given_up = None
        before = self._relay.target
        self._go_live(new)
        self._retired.append(old)
        self._tell(f"{self._project}: now serving {self._described()}")
        await self._relay.drained(before, DRAIN_S)
        await self._end_retired()

    async def _end_retired(self) -> None:
        while self._retired:
            await self._retired[0].end()
            del self._retired[0]

    async def _restart(self, service: Service | None) -> None:
        self._relay.hold()
        if service:
            is_steady = time.monotonic() - service.started > STEADY_S
            self._num_crashes = 0 if is_steady else self._num_crashes + 1
            code = service.process.returncode
            self._tell(f"{self._project}: the service ended with exit code {code}; starting it")
            self._service = None
            self._retired.append(service)
            await self._end_retired()
        pause = PAUSES_S[min(self._num_crashes, len(PAUSES_S)) - 1] if self._num_crashes else 0
        await asyncio.sleep(pause)
        self._go_live(await start(self._root, self.wanted(), self._host))
        self._tell(f"{self._project}: serving {self._described()} again")

    def _go_live(self, service: Service) -> None:
        self._service = service
        self._relay.point_to(INNER_HOST, service.port, service.limits)

    def _tell_of_overrides(self, version: Version) -> None:
        """Say once when an override expires under a running service. It goes on: whether to take
        it out of use is for people to decide, and every answer of it says so too."""
        for line in expired(version.overrides):
            if line not in self._told:
                self._told.add(line)
                self._tell(f"{self._project}: version {version.version} goes on, but {line}")

    def _described(self) -> str:
        version = self._service.version if self._service else self.wanted()
        names = ", ".join(registry.aliases(self._root, version))
        return f"version {version.version}" + (f" ({names})" if names else "")


def serve(root: Path, project: str, host: str, port: int, version: str | None, tell: Tell) -> None:
    """Serve a project's model until SIGTERM or Ctrl-C.

    Args:
        root: The checkout.
        project: The project's name.
        host: The address to listen on.
        port: The port to listen on.
        version: A version's number or alias, to stay with; None to follow the champion.
        tell: Is told what happens.

    Raises:
        ProjectError: nothing is registered, the port is taken, or HALLMARK_WORKERS is no number.
        ServiceError: the service does not get ready.
    """
    chosen = registry.resolve(root, project, version) if version else None
    check_in_force(chosen or registry.served(root, project))  # refuses before a port is taken
    num_workers()
    with contextlib.closing(bound(host, port)) as listener:
        number = chosen.version if chosen else None
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(root, project, number, listener, host, _safely(tell)))


async def _serve(
    root: Path,
    project: str,
    pinned: str | None,
    listener: socket.socket,
    host: str,
    tell: Tell,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    relay = Relay(listener)
    serving = Serving(root, project, pinned, relay, host, tell)
    await relay.open()
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    if not ipaddress.ip_address(address).is_loopback:
        tell(f"{project}: {_reached_by(host, address)}")
    running = asyncio.create_task(serving.run(f"http://{shown}:{port}", stop))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, running)
    try:
        await running
    except asyncio.CancelledError:
        pass  # by our own signal handler
    finally:
        relay.close()
    tell(f"{project}: the service has ended")


def _reached_by(host: str, address: str) -> str:
    """What requests must name, where others than this machine can send them."""
    is_any = ipaddress.ip_address(address).is_unspecified
    own = "an address" if is_any else host
    listed = os.environ.get(bento.ALLOWED_HOSTS)
    others = f"or one of {listed}" if listed else "and no other name"
    return (
        f"requests must be for {own}, localhost {others} ({bento.ALLOWED_HOSTS} names the hosts "
        "that are answered for; * for all)"
    )


def _safely(tell: Tell) -> Tell:
    """The service goes on when nobody can be told: a full disk, a closed pipe."""

    def told(words: str) -> None:
        with contextlib.suppress(OSError):
            tell(words)

    return told


def _stop(stop: asyncio.Event, running: "asyncio.Task[None]") -> None:
    """End, also in the middle of a start."""
    stop.set()
    running.cancel()


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to an address.

    Raises:
        ProjectError: the port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only over what names TCP as its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ProjectError(
            f"expected to listen on {host}:{port}: {error.strerror or error}",
            hint="is another service at work there? take another port with --port",
        ) from None
    return listener


async def _is_set_within(event: asyncio.Event, timeout_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
    return event.is_set()
