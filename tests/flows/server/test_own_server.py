"""Whom our Prefect servers answer, and who is told their secrets."""

import os
import urllib.request
from pathlib import Path

import httpx
import pytest

from flows.engine.stage_run import environment as stage_environment
from flows.server import own_server
from flows.server.hosts import allowed_hosts, around_proxies, opener
from flows.server.prefect_settings import AUTH, authorization, lasting_server, write_profile
from pipeline.core.errors import ProjectError
from tests.flows.prefect_api import Api

URL = "http://127.0.0.1:4200/api"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_1_a_temporary_server_asks_for_its_secret_too(prefect_server: Api) -> None:
    url = f"{prefect_server.url}/deployments/filter"
    known = authorization({AUTH: prefect_server.secret})

    assert httpx.post(url).status_code == 401
    assert httpx.post(url, headers=authorization({AUTH: "other"})).status_code == 401
    assert httpx.post(url, headers={**known, "Host": "evil.example"}).status_code == 400
    answered = httpx.post(url, headers={**known, "Origin": "http://evil.example"})
    assert answered.status_code == 200
    assert "access-control-allow-origin" not in answered.headers


def test_1_the_secret_is_made_once_and_private_whatever_the_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        made = own_server.secret(root)
    finally:
        os.umask(before)

    assert len(made) >= 40
    assert own_server.secret_file(root).stat().st_mode & 0o777 == 0o600
    assert own_server.home(root).stat().st_mode & 0o777 == 0o700
    own_server.secret_file(root).chmod(0o644)
    assert own_server.secret(root) == made
    assert own_server.secret_file(root).stat().st_mode & 0o777 == 0o600


def test_1_an_empty_secret_is_none(root: Path) -> None:
    """As a full disk leaves it: with it, everybody would be let in."""
    own_server.secret_file(root).parent.mkdir(parents=True)
    own_server.secret_file(root).write_text("\n")

    assert len(own_server.secret(root)) >= 40


def test_1_only_our_own_living_server_is_told_the_secret(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(root, URL)
    assert lasting_server(root) == {"PREFECT_API_URL": URL}  # nobody has said that it is ours

    own_server.note_server(root, URL)
    assert lasting_server(root) == {"PREFECT_API_URL": URL, AUTH: own_server.secret(root)}

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4201/api")
    assert AUTH not in lasting_server(root)
    for same in (URL, URL.replace("127.0.0.1", "localhost"), URL + "/"):
        monkeypatch.setenv("PREFECT_API_URL", same)
        assert lasting_server(root)[AUTH] == own_server.secret(root)
    monkeypatch.setenv(AUTH, "named")
    assert lasting_server(root)[AUTH] == "named"


def test_1_a_note_of_a_process_that_is_gone_counts_as_none(root: Path) -> None:
    own_server.note_server(root, URL)
    note = own_server.home(root) / "server.json"
    note.write_text(note.read_text().replace('"create_time": ', '"create_time": 1'))

    assert not own_server.is_our_server(root, URL)


def test_1_a_stage_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("API_AUTH_STRING", "SERVER_API_AUTH_STRING", "API_KEY", "CLIENT_CUSTOM_HEADERS")
    for name in (f"PREFECT_{end}" for end in names):
        monkeypatch.setenv(name, "secret")

    assert "secret" not in stage_environment(tmp_path).values()


@pytest.mark.parametrize(
    "text", ["http://a.example", "a.example/x", "a.example:3000", "*.example", "a.*"]
)
def test_2_a_host_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_ALLOWED_HOSTS", f"good.example, {text}")

    with pytest.raises(ProjectError, match="expected host names without scheme, port and path"):
        allowed_hosts()


def test_2_hosts_are_added_to_this_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_ALLOWED_HOSTS", " A.example. ,b.example,10.0.0.1,[fe80::1]")

    added = ["a.example", "b.example", "10.0.0.1", "[fe80::1]"]
    assert allowed_hosts() == ["127.0.0.1", "localhost", "[::1]", *added]


def test_1_what_prefect_cloud_is_told_stays_with_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = {"PREFECT_API_URL": "https://far.example/api", "PREFECT_API_KEY": "key"}
    for name, value in far.items():
        monkeypatch.setenv(name, value)

    assert lasting_server(root) == far
    assert authorization(far) == {"Authorization": "Bearer key"}


def test_1_no_proxy_is_told_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:1")
    monkeypatch.setenv("no_proxy", "intern.example")
    monkeypatch.delenv("NO_PROXY", raising=False)

    handlers = {url: proxies_of(opener(url)) for url in (URL, "http://far.example/")}
    assert handlers[URL] == {}
    assert handlers["http://far.example/"]["http"] == "http://proxy.example:1"
    assert around_proxies()["NO_PROXY"] == "intern.example,127.0.0.1,localhost"


def proxies_of(opened: urllib.request.OpenerDirector) -> dict[str, str]:
    found = [one for one in opened.handlers if isinstance(one, urllib.request.ProxyHandler)]
    return found[0].proxies if found else {}
