"""`hallmark up` and `down` with processes that only answer: what is started, kept up, ended.

The stack itself, with Prefect and MLflow, is started in test_stack_faults.py.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.engine.processes import is_same_process
from flows.stack.processes import StackError, environment, parts, ports
from tests.flows.conftest import SOURCE, Tiny, wait_until

# Answers 200 to everything and has a child, as a server with workers has.
ANSWERS = """
import subprocess, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
name, port = sys.argv[1:]
order = Path("orders", name)
words = order.read_text().split() if order.exists() else []
if words[:1] == ["die"]:
    sys.exit("cannot go on: " + name)
child = subprocess.Popen(["sleep", "600"])
Path("orders", name + ".child").write_text(str(child.pid))
if words[:1] == ["mute"]:
    time.sleep(600)
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""
KINDS = ("prefect", "page", "worker")
PROCFILE = "".join(
    f"{kind}: python answers.py {kind} $HALLMARK_{kind.upper()}_PORT\n" for kind in KINDS
)


class Stack:
    """A stack in the tiny repository."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny = tiny
        self.root = tiny.root
        self.folder = tiny.root / ".local" / "stack"
        (tiny.root / "answers.py").write_text(ANSWERS)
        (tiny.root / "infra").mkdir()
        (tiny.root / "infra" / "Procfile").write_text(PROCFILE)
        self.ports = dict(zip(KINDS, free_ports(len(KINDS)), strict=True))

    def start(self, command: str, **environment: str) -> subprocess.Popen[str]:
        own = {f"HALLMARK_{kind.upper()}_PORT": str(port) for kind, port in self.ports.items()}
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli.main", command],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(SOURCE), **own, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, **environment: str) -> tuple[int, str]:
        process = self.start(command, **environment)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "stack.json").read_text())
        return content

    def is_on_record(self) -> bool:
        return (self.folder / "stack.json").exists()

    def supervisor(self) -> psutil.Process:
        return psutil.Process(self.state()["supervisor"]["pid"])

    def processes(self) -> list[psutil.Process]:
        """All that it runs: the supervisor, what it started, and their children."""
        supervisor = self.supervisor()
        return [supervisor, *supervisor.children(recursive=True)]


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def stack(tiny: Tiny) -> Iterator[Stack]:
    made = Stack(tiny)
    yield made
    made.run("down")


def test_up_waits_until_all_are_healthy_and_down_ends_exactly_those(stack: Stack) -> None:
    with subprocess.Popen(["sleep", "600"], cwd=stack.root, start_new_session=True) as stranger:
        code, output = stack.run("up")
        assert code == 0, output
        for kind in KINDS:
            assert re.search(rf"^  {kind} +healthy", output, re.M), output
        assert f"http://127.0.0.1:{stack.ports['page']}" in output
        assert stack.run("status")[0] == 0
        started = stack.processes()
        assert len(living(started)) >= 1 + 3 * 2

        code, output = stack.run("down")

        assert (code, output.strip()) == (0, "ended: prefect, page, worker")
        assert living(started) == []
        assert stranger.poll() is None
        stranger.kill()
    assert not stack.is_on_record()
    assert stack.run("down") == (0, "nothing ran\n")
    assert stack.run("status")[0] == 1


def test_a_second_up_starts_nothing_and_says_what_runs(stack: Stack) -> None:
    stack.run("up")
    before = stack.state()

    code, output = stack.run("up", HALLMARK_PAGE_PORT=str(free_ports(1)[0]))

    assert code == 0
    assert "the stack runs already" in output
    assert f"http://127.0.0.1:{stack.ports['page']}" in output  # where it is, not where asked for
    assert stack.state() == before


def test_a_taken_port_is_refused_with_its_holder_and_nothing_is_started(stack: Stack) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", stack.ports["worker"]))
        holder.listen()

        code, output = stack.run("up")

    assert code == 2
    assert f"{stack.ports['worker']} for worker is taken by process {os.getpid()} (" in output
    assert "HALLMARK_WORKER_PORT=… make up" in output
    assert not stack.is_on_record()
    assert not list(stack.folder.glob("*.log"))


def test_a_stale_state_names_a_number_that_is_somebody_elses_now(stack: Stack) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        stale = {"pid": stranger.pid, "create_time": 1.0}
        entry = {**stale, "kind": "page", "command": "", "port": 1, "num_restarts": 0}
        stack.folder.mkdir(parents=True)
        (stack.folder / "stack.json").write_text(
            json.dumps({"supervisor": stale, "processes": {"page": entry}})
        )

        code, output = stack.run("up")

        assert code == 0, output
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"supervisor": {}}'])
def test_a_damaged_state_is_no_hindrance(stack: Stack, content: str) -> None:
    stack.folder.mkdir(parents=True)
    (stack.folder / "stack.json").write_text(content)

    assert stack.run("up")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("then", ["up", "down"])
def test_what_a_killed_supervisor_left_is_ended(stack: Stack, then: str) -> None:
    stack.run("up")
    old = stack.processes()
    old[0].kill()
    old[0].wait()
    assert len(living(old)) >= 6
    code, output = stack.run("status")
    assert code == 1
    assert "its supervisor is gone" in output
    for name in KINDS:  # each is told as it is
        assert re.search(rf"^{name} +healthy", output, re.MULTILINE)

    code, output = stack.run(then)

    assert code == 0, output
    assert living(old) == []
    if then == "up":
        assert "ended what an earlier stack had left: prefect, page, worker" in output
        assert stack.run("status")[0] == 0


def test_what_only_the_leaders_death_has_left_is_known_by_its_environment(stack: Stack) -> None:
    stack.run("up")
    supervisor = stack.supervisor()
    supervisor.kill()
    supervisor.wait()
    entry = stack.state()["processes"]["page"]
    child = psutil.Process(int((stack.root / "orders" / "page.child").read_text()))
    for process in (*child.parents()[:-1],):
        if process.pid == entry["pid"] or process.ppid() == entry["pid"]:
            process.kill()
    wait_until(lambda: not is_same_process(entry["pid"], entry["create_time"]))
    assert living([child])

    stack.run("down")

    assert not living([child])


def test_5_one_part_that_stops_answering_says_nothing_of_the_others(stack: Stack) -> None:
    stack.run("up")
    first = stack.state()["processes"]["prefect"]["pid"]
    os.killpg(first, signal.SIGSTOP)
    try:
        code, output = stack.run("status")
    finally:
        os.killpg(first, signal.SIGCONT)

    assert code == 1
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in output.splitlines()}
    assert said["prefect"].startswith("does not answer")
    assert said["page"].startswith("healthy")
    assert said["worker"].startswith("healthy")


def test_what_dies_is_started_again_without_what_it_left(stack: Stack) -> None:
    stack.run("up")
    entry = stack.state()["processes"]["page"]
    child = psutil.Process(int((stack.root / "orders" / "page.child").read_text()))

    os.kill(entry["pid"], signal.SIGKILL)
    wait_until(lambda: stack.state()["processes"]["page"]["num_restarts"] == 1)
    wait_until(lambda: stack.run("status")[0] == 0)

    assert not living([child])
    again = stack.state()["processes"]
    assert again["page"]["pid"] != entry["pid"]
    assert again["prefect"]["num_restarts"] == again["worker"]["num_restarts"] == 0
    assert "page             healthy, started again 1 times" in stack.run("status")[1]


@pytest.mark.slow
def test_the_pause_before_a_start_grows_and_says_why(stack: Stack) -> None:
    stack.run("up")
    (stack.root / "orders" / "page").write_text("die")
    os.killpg(stack.state()["processes"]["page"]["pid"], signal.SIGKILL)
    wait_until(lambda: stack.state()["processes"]["page"]["num_restarts"] >= 3)

    log = (stack.folder / "supervisor.log").read_text()
    pauses = re.findall(r"page ended with -?\d+, again in (\d+) s", log)
    assert pauses[:3] == ["1", "2", "4"]
    code, output = stack.run("status")
    assert code == 1
    assert "page             does not run, started again" in output
    (stack.root / "orders" / "page").write_text("")
    wait_until(lambda: stack.run("status")[0] == 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_interrupted_while_it_starts_it_leaves_nothing(
    stack: Stack, number: signal.Signals, code: int
) -> None:
    (stack.root / "orders" / "prefect").write_text("mute")
    up = stack.start("up")
    wait_until(lambda: (stack.root / "orders" / "prefect.child").exists())
    started = stack.processes()

    up.send_signal(number)
    output, _ = up.communicate(timeout=150)

    assert up.returncode == code, output
    assert "ending what was started" in output
    assert living(started) == []
    assert not stack.is_on_record()


def test_what_cannot_start_is_shown_with_its_last_words_and_nothing_stays(stack: Stack) -> None:
    (stack.root / "orders" / "worker").write_text("die")

    code, output = stack.run("up")

    assert code == 2
    assert "expected worker to get healthy, it died 3 times" in output
    assert "cannot go on: worker" in output
    assert not stack.is_on_record()
    texts = [(stack.root / "orders" / f"{kind}.child").read_text() for kind in KINDS[:2]]
    found = [psutil.Process(int(pid)) for pid in texts if psutil.pid_exists(int(pid))]
    assert living(found) == []


def test_the_stack_ends_the_stages_of_a_killed_build(stack: Stack) -> None:
    """Nothing works on unseen: without it they would run until the next build."""
    stack.run("up")
    stack.tiny.set_value("train", 20)
    stack.tiny.order("train", "sleep 600")
    build = stack.tiny.start("build", "tiny", "--engine")
    training = psutil.Process(stack.tiny.pid("train"))

    build.kill()
    build.wait()

    wait_until(lambda: not living([training]))


@pytest.mark.parametrize("text", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HALLMARK_PAGE_PORT", text)

    with pytest.raises(StackError, match=f"HALLMARK_PAGE_PORT: expected a port .* got '{text}'"):
        ports()


def test_two_processes_on_one_port_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_PAGE_PORT", "4200")

    with pytest.raises(StackError, match="got 4200 for prefect and page"):
        parts(root)


def test_the_procfile_has_a_service_for_each_project(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only services are told the token that requests to them must carry."""
    monkeypatch.delenv("HALLMARK_TOKEN", raising=False)
    found = {part.name: part for part in parts(root)}

    services = [f"service-{name}" for name in ("adult", "wine", "diabetes", "fashion", "reviews")]
    assert list(found) == ["prefect", "mlflow", "page", *services, "worker"]
    assert found["service-adult"].environment == {"HALLMARK_PROJECT": "adult", "PORT": "3000"}
    monkeypatch.setenv("HALLMARK_TOKEN", "secret")
    told = {part.name for part in parts(root) if "secret" in part.environment.values()}
    assert told == set(services)
    assert "secret" not in environment(root).values()
    assert found["service-wine"].environment == {"HALLMARK_PROJECT": "wine", "PORT": "3001"}
