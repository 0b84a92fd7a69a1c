"""`hallmark build`: with the flow when a server answers, else with the engine; how each ends."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from flows.server.prefect_settings import API_URL, lasting_server, write_profile
from flows.server.temporary import end_abandoned, temporary_server
from tests.flows.conftest import SOURCE, Tiny
from tests.flows.engine.test_build import is_gone
from tests.flows.prefect_api import Api

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


def finish(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=120)
    return output


def test_without_a_server_the_engine_builds_and_prefect_is_not_imported(tiny: Tiny) -> None:
    program = (
        "import sys, flows.settings.project_file as s; s.settings_of = lambda name: None\n"
        "from flows.cli.main import main\n"
        "try: main(['build', 'tiny'])\n"
        "except SystemExit as end: sys.exit(99 if 'prefect' in sys.modules else end.code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tiny.root, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == "building with the engine alone"


def test_a_server_that_is_down_is_named_and_the_engine_builds(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")

    process = tiny.start("build", "tiny")

    first = finish(process).splitlines()[0]
    assert process.returncode == 0
    assert first == (
        "building with the engine alone; the Prefect server http://127.0.0.1:1/api does not answer"
    )


def test_with_a_server_the_flow_builds_quietly_and_links_its_run(api: Api, tiny: Tiny) -> None:
    process = tiny.start("build", "tiny", "--set", "gate.value=100")

    shown = finish(process)

    run = api.newest("tiny")
    assert process.returncode == 3, shown
    assert shown.splitlines()[0] == f"building with the Prefect flow, server {api.url}"
    assert "verdict: refused" in shown
    assert f"run: {api.url.removesuffix('/api')}/runs/flow-run/{run.id}" in shown
    assert "prefect." not in shown  # its loggers
    assert run.state.name == "Refused"
    assert run.name.startswith("tiny, ")


def test_engine_asks_no_server(api: Api, tiny: Tiny) -> None:
    process = tiny.start("build", "tiny", "--engine")

    assert finish(process).splitlines()[0] == "building with the engine alone"
    assert process.returncode == 0


def test_what_cannot_begin_is_told_as_without_prefect(api: Api, tiny: Tiny) -> None:
    process = tiny.start("build", "tiny", "trian")

    shown = finish(process)

    assert process.returncode == 2
    assert "ProjectError: expected a stage of dvc.yaml, got 'trian'" in shown
    assert "Traceback" not in shown
    assert api.newest("tiny").state.message.startswith("expected a stage of dvc.yaml, got 'trian'")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_stages_and_the_run_is_cancelled(
    api: Api, tiny: Tiny, number: signal.Signals, code: int
) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "sleep 60")
    process = tiny.start("build", "tiny")
    pid = tiny.pid("train")

    process.send_signal(number)
    shown = finish(process)

    assert process.returncode == code, shown
    assert is_gone(pid)
    assert f"interrupted ({number.name})" in shown
    assert tiny.last_build()["exit_code"] == code
    run = api.newest("tiny")
    assert (run.state.type.value, run.state.message) == (
        "CANCELLED",
        f"interrupted ({number.name})",
    )
    tasks = api.tasks(run.id)
    assert tasks["train"].state.name == "Cancelled"
    assert tasks["gate"].state.name == "Skipped"


@pytest.mark.slow
def test_flow_starts_a_server_for_the_run_and_ends_it(tiny: Tiny) -> None:
    """The first run is interrupted at the terminal: all its processes get the signal. The second
    one finds the same database."""
    tiny.set_value("train", 20)
    tiny.order("train", "sleep 60")
    process = tiny.start("build", "tiny", "--flow", in_a_session=True)
    pid = tiny.pid("train")
    home = tiny.root / ".local" / "prefect"
    note = json.loads(next((home / "temporary").glob("*.json")).read_text())

    os.killpg(process.pid, signal.SIGINT)
    shown = finish(process)

    assert process.returncode == 130, shown
    assert is_gone(pid)
    assert is_gone(note["server"]["pid"])
    assert final_states(home) == {"tiny": ("CANCELLED", "Cancelled")}

    tiny.order("train", "work")
    process = tiny.start("build", "tiny", "--flow", "--set", "gate.value=100")
    shown = finish(process)

    assert process.returncode == 3, shown
    assert "through a server started for this run" in shown
    assert final_states(home)["tiny"] == ("FAILED", "Refused")
    assert stage_states(home)["train"] == ("COMPLETED", "Completed")
    assert not list((home / "temporary").glob("*.json"))


@pytest.mark.slow
def test_a_server_that_cannot_start_is_told_with_its_last_lines(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:////no/where.db")

    process = tiny.start("build", "tiny", "--flow")
    shown = finish(process)

    assert process.returncode == 2, shown
    assert "expected a temporary Prefect server to answer, it ended with code 3" in shown
    assert "unable to open database file" in shown
    assert "hint: `hallmark build PROJECT --engine` builds without Prefect" in shown


IMPATIENT = (
    "import flows.settings.project_file as s; s.settings_of = lambda name: None; "
    "import flows.orchestration.beside as b; b.SILENT_S = 2.0; "
    "from flows.cli.main import main; main()"
)
"""`hallmark`, which gives a silent server up after two seconds."""


def impatient(tiny: Tiny, settings: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, "build", "tiny"],
        cwd=tiny.root,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_5_a_server_that_is_killed_or_stopped_costs_no_build(
    tiny: Tiny, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / ".git").mkdir()
    tiny.set_value("train", 20)
    tiny.set_value("gate", 100)
    tiny.order("train", "meet gone")  # ends when the server is gone
    with temporary_server(tmp_path) as server:
        server.wait_until_it_answers()
        process = impatient(tiny, server.settings)
        tiny.pid("train")
        note = next((tmp_path / ".local/prefect/temporary").glob("*.json"))
        os.kill(json.loads(note.read_text())["server"]["pid"], number)
        (tiny.root / "orders" / "gone.pid").write_text("1")

        shown = finish(process)

    assert process.returncode == 3, shown
    assert "verdict: refused" in shown
    assert (
        f"Prefect does not know of this build's end: its server {server.url} does not answer"
    ) in shown
    assert "prefect." not in shown  # its loggers
    assert tiny.last_build()["exit_code"] == 3


class SilentServer:
    """Says that it is healthy, so many times; else it takes every connection and never answers."""

    def __init__(self, num_answers: int) -> None:
        self.num_answers = num_answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api"
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._socket.accept()
                self._held.append(taken)
                if self.num_answers and b"/health" in taken.recv(1024):
                    self.num_answers -= 1
                    taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue")

    def close(self) -> None:
        for one in (self._socket, *self._held):
            one.close()


@pytest.mark.slow
def test_5_a_server_that_never_answers_costs_no_build(tiny: Tiny) -> None:
    server = SilentServer(num_answers=1)
    try:
        process = impatient(tiny, {API_URL: server.url})
        shown = finish(process)
    finally:
        server.close()

    assert process.returncode == 0, shown
    assert shown.splitlines()[0] == f"building with the Prefect flow, server {server.url}"
    assert (
        "building without Prefect, which did not begin the run: "
        f"its server {server.url} does not answer"
    ) in shown
    assert tiny.last_build()["exit_code"] == 0


def final_states(home: Path) -> dict[str, tuple[str, str]]:
    """The newest run's state by project, read from the database: the server has ended."""
    query = "select name, state_type, state_name from flow_run order by created"
    with sqlite3.connect(home / "prefect.db") as database:
        return {
            name.partition(",")[0]: (kind, state) for name, kind, state in database.execute(query)
        }


def stage_states(home: Path) -> dict[str, tuple[str, str]]:
    query = "select name, state_type, state_name from task_run order by created"
    with sqlite3.connect(home / "prefect.db") as database:
        return {name: (kind, state) for name, kind, state in database.execute(query)}


def test_the_server_of_a_killed_run_is_ended_by_the_next(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    server = psutil.Popen(sleeper, start_new_session=True)
    dead = {"pid": os.getpid(), "create_time": psutil.Process().create_time() - 100}
    theirs = {"pid": server.pid, "create_time": server.create_time()}
    (tmp_path / "1.json").write_text(json.dumps({"owner": dead, "server": theirs}))
    (tmp_path / "2.json").write_text("half")

    assert end_abandoned(tmp_path) == 1

    assert server.wait() == -signal.SIGTERM
    assert not list(tmp_path.glob("*.json"))


def test_the_server_of_a_living_run_is_left_alone(tmp_path: Path) -> None:
    own = psutil.Process()
    us = {"pid": own.pid, "create_time": own.create_time()}
    (tmp_path / "1.json").write_text(json.dumps({"owner": us, "server": us}))

    assert end_abandoned(tmp_path) == 0  # and we are still here
    assert (tmp_path / "1.json").exists()


def test_a_lasting_server_is_found_by_environment_then_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    users = tmp_path / "users"
    users.mkdir()
    monkeypatch.setenv("PREFECT_HOME", str(users))
    assert lasting_server(tmp_path) == {}

    far = {"PREFECT_API_URL": "http://far/api", "PREFECT_API_KEY": "k"}
    lines = ['active = "far"', "[profiles.far]", *(f'{k} = "{v}"' for k, v in far.items())]
    (users / "profiles.toml").write_text("\n".join(lines))
    assert lasting_server(tmp_path) == far

    write_profile(tmp_path, "http://127.0.0.1:4200/api")
    assert lasting_server(tmp_path) == {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}

    monkeypatch.setenv("PREFECT_API_URL", "http://here/api")
    assert lasting_server(tmp_path) == {"PREFECT_API_URL": "http://here/api"}


def test_a_broken_profile_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write_profile(tmp_path, "http://127.0.0.1:4200/api")
    source = tmp_path / ".local" / "prefect" / "profiles.toml"
    source.write_text(source.read_text().replace("active", "actve"))

    assert lasting_server(tmp_path) == {}
