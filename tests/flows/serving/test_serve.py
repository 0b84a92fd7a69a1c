"""hallmark serve: one address, whichever version is live; with a real bento and real processes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from flows.registry import promotion
from flows.registry import versions as registry
from flows.registry.history import Move, append, moving
from flows.serving.serve import serve as serving
from pipeline.core.bento import watcher
from pipeline.core.errors import ProjectError
from tests.flows.conftest import SOURCE, wait_until
from tests.flows.registry.conftest import finished, packaged_project  # noqa: F401 -- fixtures
from tests.flows.registry.test_promotion import root, two_versions  # noqa: F401
from tests.flows.registry.tracked import PROJECT, another_model, evidence_of, registered

pytestmark = pytest.mark.slow

Process = subprocess.Popen[str]

TRACKED = True


class Server:
    """`hallmark serve people` in a process of its own."""

    def __init__(
        self, repository: Path, *arguments: str, before: Sequence[str] = (), **environment: str
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = repository / ".local" / "serve.log"
        words = ["-m", "flows.cli.main", "serve", PROJECT, "--port", str(self.port), *arguments]
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                [*before, sys.executable, *words],
                cwd=repository,
                env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60
        )

    def says(self, text: str) -> bool:
        return text in self.log.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: self.says(text) or self.process.poll() is not None, 120)
        assert self.says(text), self.log.read_text()

    def predict(self) -> dict[str, Any]:
        row = {"age": 30, "hours": 40, "job": "smith"}
        answer = self.client.post("/predict", json=row)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def services(self) -> list[psutil.Process]:
        """All processes of the services that it started."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                mark = process.environ().get(watcher.MARK, "")
                if mark and str(self.log.parent) in " ".join(process.cmdline()) + process.cwd():
                    found.append(process)
        return found

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.client.close()
        return code


@pytest.fixture
def start(root: Path) -> Iterator[Callable[..., Server]]:  # noqa: F811 -- pytest hands it over
    started: list[Server] = []

    def begin(*arguments: str, **environment: str) -> Server:
        started.append(Server(root, *arguments, **environment))
        return started[-1]

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.end()
        wait_until(lambda server=server: not server.services(), 60)  # type: ignore[misc]


def test_a_promotion_changes_the_version_and_refuses_nobody(
    root: Path,  # noqa: F811
    start: Callable[..., Server],
) -> None:
    """Candidate, champion, another one: asked all the while."""
    registered(root)
    server = start()
    server.wait_for("serving version 1 (candidate)")
    assert server.predict()["model_version"] == "1"
    another_model(root, 1.5)
    registered(root, evidence_of(root, id="20260102T000000000000-1"))
    before = server.predict()["probability"]

    promotion.promote(root, PROJECT, "2", who="Ada", why="better")

    seen: list[str] = []
    wait_until(lambda: seen.append(server.predict()["model_version"]) or seen[-1] == "2", 120)  # type: ignore[func-returns-value]
    assert set(seen) == {"1", "2"}
    assert server.predict()["probability"] != before
    wait_until(lambda: len({p.environ()[watcher.MARK] for p in server.services()}) == 1)
    assert server.end() == 0


def test_a_crashed_service_is_started_again_and_requests_wait(
    root: Path,  # noqa: F811
    start: Callable[..., Server],
) -> None:
    registered(root)
    server = start()
    server.wait_for("serving version 1")

    for process in server.services():
        with suppress(psutil.Error):
            process.kill()
    server.wait_for("starting it")

    assert server.predict()["model_version"] == "1"
    assert server.says("again")


def test_5_nothing_is_left_when_serve_itself_is_killed(
    root: Path,  # noqa: F811
    start: Callable[..., Server],
    tmp_path: Path,
) -> None:
    """No process, and none of its temporary folders."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    registered(root)
    server = start("--version", "1", TMPDIR=str(temporary))
    server.wait_for("serving version 1")
    assert server.services()
    assert [path.name[:15] for path in temporary.iterdir()] == ["hallmark-serve-"]

    server.process.kill()
    server.process.wait()

    wait_until(lambda: not server.services(), 60)
    wait_until(lambda: list(temporary.iterdir()) == [], 60)


def test_a_version_that_cannot_start_leaves_the_old_one_at_work(
    root: Path,  # noqa: F811
    start: Callable[..., Server],
) -> None:
    two_versions(root)
    promotion.promote(root, PROJECT, "1", who="Ada", why="first")
    server = start()
    server.wait_for("serving version 1 (champion)")
    second = registry.resolve(root, PROJECT, "2")
    shutil.rmtree(registry.bento_place(root, second.bento_tag))

    with moving(root, PROJECT):
        now = "2026-01-01T00:00:00+00:00"
        append(root, PROJECT, Move("promote", now, "Ada", "?", "1", "2", second.bento_digest))

    server.wait_for("version 1 stays")

    assert server.predict()["model_version"] == "1"


def test_serve_refuses_what_it_cannot_do(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ProjectError, match="expected a registered version of people, found none"):
        serving(root, PROJECT, "127.0.0.1", 0, None, print)
    registered(root)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ProjectError, match=f"expected to listen on 127.0.0.1:{port}"):
            serving(root, PROJECT, "127.0.0.1", port, None, print)
        monkeypatch.setenv("HALLMARK_WORKERS", "no")
        with pytest.raises(ProjectError, match="expected HALLMARK_WORKERS to be a number"):
            serving(root, PROJECT, "127.0.0.1", 0, None, print)
