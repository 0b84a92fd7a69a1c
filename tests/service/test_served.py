"""The bento as `bentoml serve` runs it, from a copy elsewhere, in a process of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import psutil
import pytest

from pipeline.core.bento import folder as bento
from tests.bento_inputs import as_delivered

FOREIGN = ("prefect", "dvc", "great_expectations", "pandas", "mlflow", "sklearn", "fairlearn")
START_S, STOP_S = 120, 20


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the service and its worker, which BentoML puts into a session of its own."""
    family = [*psutil.Process(process.pid).children(recursive=True), process]
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs([one for one in family if one is not process], STOP_S)
    for one in alive:
        one.kill()


@pytest.fixture(scope="module")
def url(bento_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a served copy of the bento, with the token `secret`."""
    folder = shutil.copytree(bento_folder, tmp_path_factory.mktemp("elsewhere") / "bento")
    state = tmp_path_factory.mktemp("state")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (state / "log").open("wb") as log:
        process = subprocess.Popen(
            bento.serve_command(folder, "127.0.0.1", port),
            cwd=bento.working_folder(folder),
            env=bento.serve_environment(state, version="3", token="secret"),  # noqa: S106
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_until_ready(process, address, state / "log")
            yield address
        finally:
            stop(process)


def wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer secret"}
    with httpx.Client(base_url=url, headers=headers, timeout=150) as client:
        yield client


def test_it_answers_as_offline_also_when_many_ask_at_once(client: httpx.Client, home: Path) -> None:
    rows = as_delivered(pl.read_parquet(home / "25_split/test.parquet"))
    expected = pl.read_parquet(home / "50_evaluate/predictions.parquet")["probability"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda row: client.post("/predict", json=row), rows))
    assert {answer.status_code for answer in answers} == {200}
    found = [answer.json()["probability"] for answer in answers]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert {answer.json()["model_version"] for answer in answers} == {"3"}


def test_health_is_open_and_the_rest_asks_for_the_token(url: str) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        assert httpx.get(url + path).status_code == 200
    for path in ("/metrics", "/card", "/schema", "/docs.json", "/schema.json"):
        assert httpx.get(url + path).status_code == 401


@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/livez", "/metrics", "/", "/none"])
def test_2_a_foreign_host_is_refused_whatever_it_asks_for(url: str, path: str) -> None:
    answer = httpx.get(url + path, headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "HALLMARK_ALLOWED_HOSTS" in answer.json()["error"]
    assert answer.json()["findings"] == []
    port = url.rpartition(":")[2]
    assert httpx.get(url + path, headers={"Host": f"localhost:{port}"}).status_code != 421


def test_10_a_client_that_closed_its_sending_side_is_answered(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nAuthorization: bearer secret\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(head.encode() + b'{"hours": 40.5}')
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"probability"' in answer
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(head.encode() + b'{"hours"')
        client.shutdown(socket.SHUT_WR)
        assert client.recv(4096) == b""  # nothing whole was asked


def test_the_workers_counters_are_served(client: httpx.Client) -> None:
    client.post("/predict", json={"hours": 40.5}).raise_for_status()
    text = client.get("/metrics").text
    assert "hallmark_predictions_total{label=" in text
    assert 'hallmark_request_seconds_count{path="/predict"}' in text


def test_a_refusal_is_the_same_as_in_process(client: httpx.Client) -> None:
    answer = client.post("/predict", json={"hours": 500})
    assert (answer.status_code, answer.json()["findings"][0]["field"]) == (422, "hours")
    assert client.post("/predict", content=b" " * 30_000).status_code == 415
    headers = {"Content-Type": "application/json"}
    pieces = (b" " * 5000 for _ in range(8))
    assert client.post("/predict", content=pieces, headers=headers).status_code == 413
    assert client.post("/predict", json={"hours": 40.5}).status_code == 200


def test_the_page_and_the_explanation_are_served(client: httpx.Client) -> None:
    assert "<form" in client.get("/").text
    found = client.post("/explain", json={"hours": 40.5, "job": "nurse"}).json()
    assert {one["field"] for one in found["contributions"]} == {"age", "hours", "job"}


SERVED_IN_PROCESS = """
import json, sys
import service
from starlette.testclient import TestClient
with TestClient(service.service.to_asgi(), base_url="http://localhost") as client:
    answers = [client.get("/readyz"), client.get("/metrics"), client.get("/"),
               client.post("/predict", json={"hours": 40.5}),
               client.post("/explain", json={"hours": 40.5})]
ours = [module.__file__ for name, module in sys.modules.items() if name.startswith("pipeline")]
print(json.dumps({"statuses": [one.status_code for one in answers], "ours": ours,
                  "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def test_what_it_imports(bento_folder: Path, tmp_path: Path) -> None:
    """In a clean process that serves requests: no foreign package, and its own modules alone."""
    source = shutil.copytree(bento_folder / "src", tmp_path / "src")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", SERVED_IN_PROCESS],
        cwd=source,
        env={**environment, "BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["statuses"] == [200] * 5
    assert not set(FOREIGN) & set(found["modules"])
    assert all(Path(file).is_relative_to(source) for file in found["ours"])
