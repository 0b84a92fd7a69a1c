"""Whom a request must name as its host, so that a foreign page cannot talk to the service.

A page of `evil.example` can have its name lead to this machine (DNS rebinding), and a browser then
takes the service for its own. Its requests still carry that name. An address is nobody's name, so a
request for one is none of these; a health probe or a scraper goes by address.
"""

import ipaddress
import os
import re

from pipeline.core.bento.folder import ALLOWED_HOSTS
from pipeline.service.http import Refusal, Scope

LOCAL = "localhost"
HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:@/\s]+)(:[0-9]*)?")
MAX_KNOWN = 1024


class Hosts:
    """Which hosts are answered for.

    Args:
        named: More names and addresses, as the variable has them; None for the variable itself.
    """

    def __init__(self, named: str | None = None) -> None:
        listed = os.environ.get(ALLOWED_HOSTS, "") if named is None else named
        names = {bare(one.strip().lower()) for one in listed.split(",") if one.strip()}
        self.all = "*" in names
        self.names = {LOCAL, *names}
        self.addresses = any(is_unspecified(one) for one in names)
        self.known: set[tuple[bytes, bool]] = set()

    def check(self, scope: Scope) -> None:
        """Refuse a request for another host.

        Raises:
            Refusal: it names another host, none, or more than one.
        """
        if self.all:
            return
        given = [value for key, value in scope["headers"] if key == b"host"]
        if not given and scope.get("http_version") == "1.0":
            return  # no browser's
        is_local = is_loopback((scope.get("server") or ("",))[0])
        if len(given) != 1:
            raise Refusal(400, "host", f"expected one header `Host`, got {len(given)}")
        if (given[0], is_local) in self.known:
            return
        self.look_at(given[0], is_local)
        if len(self.known) < MAX_KNOWN:
            self.known.add((given[0], is_local))

    def look_at(self, given: bytes, is_local: bool) -> None:
        """Refuse a host that is none of ours; `is_local` is whether it came from this machine."""
        host = host_of(given.decode("latin-1"))
        if host in self.names or is_loopback(host):
            return
        if is_address(host) and (self.addresses or not is_local):
            return
        shown = ", ".join(sorted(self.names))
        raise Refusal(
            421,
            "host",
            f"expected a request for {shown} or this machine's address, got one for {host[:80]!r}; "
            f"name the host in {ALLOWED_HOSTS} where the service is started (commas between "
            "several, `*` for all)",
        )

    def described(self) -> str:
        """In words, for whoever starts the service."""
        if self.all:
            return "requests for every host are answered"
        names = ", ".join(sorted(one for one in self.names if not is_unspecified(one)))
        return f"requests for {names} or by address are answered; {ALLOWED_HOSTS} names other hosts"


def host_of(given: str) -> str:
    """The name or the address in a header, without port, brackets and last dot.

    Raises:
        Refusal: it is no host.
    """
    found = HOST.fullmatch(given)
    if found is None:
        raise Refusal(400, "host", f"expected a host in the header `Host`, got {given[:80]!r}")
    return bare(found["host"].lower())


def bare(host: str) -> str:
    return host.strip("[]").removesuffix(".")


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    return host == LOCAL or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_unspecified(host: str) -> bool:
    return is_address(host) and ipaddress.ip_address(host).is_unspecified
