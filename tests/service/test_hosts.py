"""Which hosts are answered for: a foreign page's name is not."""

from typing import Any

import pytest

from pipeline.service.hosts import Hosts
from pipeline.service.http import Refusal

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- nothing is bound
HERE, ELSEWHERE = ("127.0.0.1", 3000), ("10.0.0.7", 3000)


def status(
    named: str, *hosts: str, server: tuple[str, int] | None = HERE, version: str = "1.1"
) -> int:
    """What a request is answered, by its `Host` headers; 200 where it is let through."""
    headers = [(b"accept", b"*/*"), *((b"host", host.encode("latin-1")) for host in hosts)]
    scope: dict[str, Any] = {"headers": headers, "server": server, "http_version": version}
    known = Hosts(named)
    for _ in range(2):  # the second time it is known
        try:
            known.check(scope)
        except Refusal as refusal:
            found = refusal.response.status
        else:
            found = 200
    return found


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:80",
        "127.0.0.1:3000",
        "127.0.0.1",
        "[::1]",
        "[::1]:3000",
        "localhost.",
    ],
)
def test_2_this_machine_is_answered_for(host: str) -> None:
    assert status("", host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example",
     "notlocalhost", "10.0.0.7", "2130706433", "evil.example.", "[::2]:80"],
)  # fmt: skip
def test_2_a_foreign_host_is_refused(host: str) -> None:
    assert status("", host) == 421


@pytest.mark.parametrize("host", ["", ":3000", "[::1", "[::1]x", "a:b", "a:1:2"])
def test_2_what_is_no_host_is_refused(host: str) -> None:
    assert status("", host) in (400, 421)


def test_2_one_host_is_expected() -> None:
    assert status("", "localhost", "evil.example") == 400
    assert status("") == 400
    assert status("", version="1.0") == 200  # no browser sends that


def test_2_hosts_that_are_named_are_answered_for() -> None:
    assert status("Api.Example , [2001:db8::1],b.example:x", "api.example:443") == 200
    assert status("api.example", "b.example") == 421
    assert status("2001:db8::1", "[2001:db8::1]:80") == 200
    assert status("*", "evil.example") == 200


def test_2_probes_by_address_are_answered_and_names_are_not() -> None:
    assert status("", "10.0.0.7:3000", server=ELSEWHERE) == 200
    assert status("", "evil.example", server=ELSEWHERE) == 421
    assert status(EVERYWHERE, "192.168.1.5") == 200  # of the relay, which listens there
    assert status(EVERYWHERE, "evil.example") == 421
    assert status("::", "[2001:db8::1]") == 200


def test_2_the_refusal_names_what_to_set() -> None:
    with pytest.raises(
        Refusal, match=r"got one for 'evil\.example'; name the host in HALLMARK_ALL"
    ):
        Hosts("").look_at(b"evil.example", is_local=True)
    assert "api.example, localhost" in Hosts("api.example").described()
