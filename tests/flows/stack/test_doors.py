"""What a web page, a host name of somebody else's and another user can do to the stack: nothing.

The tests play the page: what a browser lets it send, with and without a preflight.
"""

import base64
import json
import socket
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from prefect.states import Cancelling

from tests.flows.conftest import wait_until
from tests.flows.stack.conftest import Whole
from tests.flows.stack.test_stack import living

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EVIL = "http://evil.example"
FOREIGN_HOSTS = ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "")


def port(whole: Whole, part: str) -> int:
    return int(whole.environment[f"HALLMARK_{part.upper()}_PORT"])


def ask(
    whole: Whole, method: str, path: str, content: Any = None, **headers: str
) -> httpx.Response:
    """Ask Prefect as a page does: with its origin, and no secret but in `headers`."""
    named = {"Origin": EVIL, **{name.replace("_", "-"): text for name, text in headers.items()}}
    body = None if content is None else json.dumps(content).encode()
    url = f"http://127.0.0.1:{port(whole, 'prefect')}/api{path}"
    return httpx.request(method, url, content=body, headers=named, timeout=20)


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(secret.encode()).decode()


def ids(whole: Whole) -> dict[str, str]:
    one = whole.deployments()["build/tiny"]
    return {"deployment": str(one.id), "flow": str(one.flow_id)}


def touching(tmp_path: Path) -> tuple[str, Path]:
    """A command that leaves a file, and the file."""
    target = tmp_path / "was-here"
    return f"touch {target}", target


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_1_a_page_starts_no_run_with_its_own_command(
    whole: Whole, tmp_path: Path, content_type: str | None
) -> None:
    command, _ = touching(tmp_path)
    headers = {"Content_Type": content_type} if content_type else {}
    before = whole.begun()

    asked = ask(
        whole,
        "POST",
        f"/deployments/{ids(whole)['deployment']}/create_flow_run",
        {"job_variables": {"command": command}, "state": {"type": "SCHEDULED"}},
        **headers,
    )

    assert asked.status_code == 401
    assert whole.begun() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/deployments/"),
        ("POST", "/deployments/filter"),
        ("POST", "/flow_runs/"),
        ("POST", "/flows/"),
        ("PATCH", "/work_pools/hallmark"),
        ("POST", "/block_documents/"),
        ("POST", "/automations/"),
        ("POST", "/logs/filter"),
        ("POST", "/artifacts/filter"),
        ("GET", "/admin/settings"),
        ("POST", "/admin/database/clear"),
        ("GET", "/work_pools/hallmark"),
    ],
)
def test_1_without_the_secret_nothing_is_read_or_written(
    whole: Whole, method: str, path: str
) -> None:
    said = [None, basic("wrong"), basic(":"), "Basic", "Basic ?", f"Bearer {whole.secret}"]
    for authorization in said:
        headers = {} if authorization is None else {"Authorization": authorization}

        asked = ask(whole, method, path, {"name": "mine", "confirm": True}, **headers)

        assert asked.status_code == 401, authorization
        assert asked.json() == {"exception_message": "Unauthorized"}


def test_1_a_preflight_lets_our_own_pages_through_and_no_others(whole: Whole) -> None:
    own = f"http://localhost:{port(whole, 'prefect')}"
    answers = {
        origin: ask(
            whole,
            "OPTIONS",
            "/deployments/",
            Origin=origin,
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="authorization,content-type",
        ).headers.get("access-control-allow-origin")
        for origin in (EVIL, "null", "http://localhost:1", own)
    }

    assert answers == {EVIL: None, "null": None, "http://localhost:1": None, own: own}


@pytest.mark.parametrize("part", ["prefect", "worker", "mlflow", "page"])
@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_1_2_every_part_refuses_a_foreign_host(whole: Whole, part: str, host: str) -> None:
    """With the secret, too: a page whose name resolves to 127.0.0.1 gets no answer to read."""
    path = {"prefect": "/api/admin/version"}.get(part, "/")
    headers = {"Host": host, "Authorization": basic(whole.secret)}
    url = f"http://127.0.0.1:{port(whole, part)}{path}"

    assert httpx.get(url, headers=headers).status_code in (400, 403)
    assert httpx.get(url, headers={**headers, "Host": "localhost"}).status_code in (200, 404)


@pytest.mark.parametrize("path", ["/events/in", "/events/out", "/logs/out"])
@pytest.mark.parametrize(("host", "status"), [("evil.example", b"400"), ("localhost", b"403")])
def test_1_a_websocket_needs_our_host_and_the_secret(
    whole: Whole, path: str, host: str, status: bytes
) -> None:
    """Without Prefect's subprotocol, in which the secret is said, it is refused at once."""
    head = (
        f"GET /api{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {EVIL}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port(whole, "prefect")), timeout=20) as opened:
        opened.sendall(head.encode())

        assert opened.recv(1024).split()[1] == status


@pytest.mark.parametrize("variable", ["command", "working_dir", "env"])
def test_1_job_variables_name_no_command_folder_or_environment(
    whole: Whole, tmp_path: Path, variable: str
) -> None:
    """Not even with the secret."""
    command, target = touching(tmp_path)
    value = {"command": command, "working_dir": str(tmp_path), "env": {"PYTHONPATH": str(tmp_path)}}
    target.with_name("sitecustomize.py").write_text(f"open({str(target)!r}, 'w')\n")
    before = whole.begun()

    asked = ask(
        whole,
        "POST",
        f"/deployments/{ids(whole)['deployment']}/create_flow_run",
        {"job_variables": {variable: value[variable]}},
        Authorization=basic(whole.secret),
        Content_Type="application/json",
    )

    assert asked.status_code == 422
    assert f"Additional properties are not allowed ('{variable}' was unexpected)" in asked.text
    assert whole.begun() == before
    assert not target.exists()


def test_1_a_run_without_a_deployment_runs_nothing(whole: Whole, tmp_path: Path) -> None:
    command, target = touching(tmp_path)
    made = ask(
        whole,
        "POST",
        "/flow_runs/",
        {"flow_id": ids(whole)["flow"], "work_pool_name": "hallmark"}
        | {"state": {"type": "SCHEDULED"}, "job_variables": {"command": command}},
        Authorization=basic(whole.secret),
        Content_Type="application/json",
    )

    assert made.status_code == 201, made.text
    run_id = UUID(made.json()["id"])
    assert whole.ended(run_id) == "Crashed"
    assert "expected a run of a deployment" in str(whole.run(run_id).state.message)
    assert not target.exists()


@pytest.mark.parametrize("kind", ["entrypoint", "module", "pull_steps"])
def test_1_a_deployment_of_somebody_else_runs_nothing(
    whole: Whole, tmp_path: Path, kind: str
) -> None:
    """Not even with the secret: neither its code nor its steps, in the run or in the worker."""
    command, target = touching(tmp_path)
    code = tmp_path / "mine.py"
    code.write_text(f"import subprocess\nsubprocess.run({command.split()})\n")
    shell = {"prefect.deployments.steps.run_shell_script": {"script": command}}
    content = {
        "entrypoint": {"entrypoint": f"{code}:mine"},
        "module": {"entrypoint": "subprocess.run"},
        "pull_steps": {"entrypoint": "flows.orchestration.build.build", "pull_steps": [shell]},
    }[kind]
    made = ask(
        whole,
        "POST",
        "/deployments/",
        {"name": f"mine-{kind}", "flow_id": ids(whole)["flow"], "work_pool_name": "hallmark"}
        | {"path": str(tmp_path), "parameters": {"project": "tiny"}}
        | content,
        Authorization=basic(whole.secret),
        Content_Type="application/json",
    )
    assert made.status_code in (200, 201), made.text
    try:
        run = whole.client.create_flow_run_from_deployment(made.json()["id"])
        state = whole.ended(run.id)
        message = str(whole.run(run.id).state.message)
    finally:
        whole.client.delete_deployment(made.json()["id"])

    assert state == "Crashed"
    assert "expected a run of a deployment that Hallmark has made" in message
    assert not target.exists()


def test_1_a_deployment_that_changes_under_a_run_brings_no_code_in(
    whole: Whole, tmp_path: Path
) -> None:
    """Prefect reads it again in the run, and in the worker when the run is cancelled."""
    command, target = touching(tmp_path)
    run_id, training = whole.at_work()
    shell = {"prefect.deployments.steps.run_shell_script": {"script": command}}
    changed = ask(
        whole,
        "PATCH",
        f"/deployments/{ids(whole)['deployment']}",
        {"pull_steps": [shell]},
        Authorization=basic(whole.secret),
        Content_Type="application/json",
    )
    assert changed.status_code == 204, changed.text
    try:
        whole.client.set_flow_run_state(run_id, Cancelling())
        assert whole.ended(run_id) == "Cancelled"
    finally:
        assert whole.command("flows.orchestration.deployments")[0] == 0

    wait_until(lambda: not living([training]))
    assert not target.exists()
    assert not whole.client.read_deployment(ids(whole)["deployment"]).pull_steps


def test_1_the_secret_is_in_one_file_that_only_its_owner_reads(whole: Whole) -> None:
    local = whole.root / ".local"
    file = local / "prefect" / "secret"
    assert file.stat().st_mode & 0o777 == 0o600
    for folder in (local / "stack", local / "prefect", local / "runs"):
        for source in folder.rglob("*"):
            if source.is_file() and source != file:
                assert whole.secret.encode() not in source.read_bytes(), source
    for process in psutil.process_iter(["cmdline"]):
        assert whole.secret not in " ".join(process.info["cmdline"] or ())
    assert str(file) in whole.hallmark("up")[1]


def test_1_our_own_commands_know_the_secret(whole: Whole) -> None:
    """The build finds the server by its profile, and the stage is told no secret."""
    whole.tiny.order("train", "work")
    before = whole.begun()

    code, output = whole.hallmark("build", "tiny", "--from", "gate")

    assert code == 0, output
    assert "building with the Prefect flow, server http://127.0.0.1:" in output
    wait_until(lambda: len(whole.begun() - before) == 1)


def test_1_with_a_wrong_secret_the_engine_builds_and_says_why(whole: Whole) -> None:
    whole.environment["PREFECT_API_AUTH_STRING"] = "wrong"
    try:
        code, output = whole.hallmark("build", "tiny")
    finally:
        whole.environment["PREFECT_API_AUTH_STRING"] = whole.secret

    assert code == 0, output
    assert "refuses us (is PREFECT_API_AUTH_STRING its secret?)" in output
