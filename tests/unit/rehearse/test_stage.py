"""rehearse: the packaged service answers as the model did offline; each check is shown failing."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
from safetensors.torch import load_file, save_file

from pipeline.core.bento import folder as packaged
from pipeline.core.bento import watcher
from pipeline.core.errors import ArtifactMissing, PipelineError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import Paths
from pipeline.core.run.runner import run_stage
from pipeline.core.settings.columns import Columns
from pipeline.rehearse import served as serving
from pipeline.rehearse.bad_requests import Promise, bad_requests, promises
from pipeline.rehearse.stage import Settings, chosen, offline, rehearse
from tests.bentos import delivered, meddle, name_its_model, package, start_with
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

Report = dict[str, Any]


@pytest.fixture(scope="session")
def with_bento(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished project with its bento. Read only."""
    root = shutil.copytree(finished, tmp_path_factory.mktemp("packaged") / "root")
    package(root)
    return root


@pytest.fixture
def bento(with_bento: Path, tmp_path: Path) -> Path:
    """A copy of the bento, to be changed."""
    return shutil.copytree(with_bento / "data/people/75_package/bento", tmp_path / "bento")


@pytest.fixture(autouse=True)
def _nothing_is_left(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Whatever a test did to a service, none of its processes and files outlives the test."""
    folder = tmp_path_factory.mktemp("served")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield
    assert marks_in(folder) == []
    assert list(folder.glob("hallmark-serve-*")) == []


def marks_in(folder: Path) -> list[str]:
    """The marks of living services that run from a folder; others may run on this machine."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (mark := process.environ().get(watcher.MARK, "")).startswith(str(folder)):
                found.append(mark)
    return found


def wait_until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for something that will happen; the limit only ends a test that has failed."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            pytest.fail("what the test waits for did not happen")
        time.sleep(0.05)


def rows_of(num_rows: int) -> pl.DataFrame:
    return delivered().tail(num_rows)


def rehearsed(bento: Path, expected: Any = None, **settings: Any) -> Report:
    """Rehearse as version 7: a changed bento's own version is that of what it was."""
    rows = rows_of(40)
    found = offline(bento, rows) if expected is None else expected
    return rehearse(bento, rows, found, Settings(batch_rows=20, **settings), version="7")


def failed(report: Report) -> dict[str, str]:
    """The checks that did not pass, with what was found."""
    return {one["name"]: one["found"] for one in report["checks"] if one["outcome"] != "pass"}


def test_the_packaged_service_answers_as_the_model_did_offline(
    with_bento: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(with_bento, tmp_path / "root")
    bento = root / "data/people/75_package/bento"
    before = packaged.digest(bento)

    run_stage(root, "rehearse", "people")

    report = read_json(Paths(root, "people", "rehearse").output("report.json"))
    assert failed(report) == {}
    assert report["outcome"] == "pass"
    assert report["num_rows"] == 120  # all that the test part has
    assert report["max_abs_difference"] <= 1e-6
    assert report["bento_digest"] == before == packaged.digest(bento)
    assert report["model_digest"] == packaged.read_proof(bento)["model_digest"]
    assert report["startup_s"] > 0
    assert report["peak_memory_bytes"] > 100e6  # torch alone is more
    for how in ("single", "batch"):
        times = report["latency_ms"][how]
        assert 0 < times["p50"] <= times["p95"] <= times["p99"]
    names = {one["name"] for one in report["checks"]}
    assert sum(name.startswith("bad request") for name in names) >= 12
    assert {"health", "own code", "metrics", "memory", "end"} <= names
    assert not list(bento.rglob("__pycache__"))  # it ran from a copy


def test_another_model_in_the_bento_is_found(bento: Path) -> None:
    expected = offline(bento, rows_of(40))
    model = bento / "src/model/weights.safetensors"
    weights = load_file(model)
    last = max(name for name in weights if name.startswith("layers") and "bias" in name)
    weights[last] = weights[last] + 0.01
    save_file(weights, model)
    name_its_model(bento)

    report = rehearsed(bento, expected)

    assert report["outcome"] == "fail"
    assert set(failed(report)) == {
        "predictions one by one",
        "predictions in batches",
        "predictions after all that",
    }
    assert 1e-4 < report["max_abs_difference"] < 1e-2  # a hundredth of a logit, a quarter at most


def test_a_bento_that_does_not_start_is_an_outcome(bento: Path) -> None:
    expected = offline(bento, rows_of(40))
    policy = bento / "src/model/policy.json"
    policy.write_text(policy.read_text() + " ")

    report = rehearsed(bento, expected)  # the proof names another model: the service refuses it

    assert report["outcome"] == "fail"
    found = failed(report)
    assert list(found) == ["start-up"]
    assert "its start-up failed" in found["start-up"]
    assert report["latency_ms"] is None


def test_a_bento_whose_code_is_broken_is_an_outcome(bento: Path) -> None:
    (bento / "src/service.py").write_text("import nothing_of_this_name\n")

    found = failed(rehearsed(bento))

    assert list(found) == ["start-up"]
    assert "ended with exit code" in found["start-up"]
    assert "nothing_of_this_name" in found["start-up"]


def test_a_service_that_takes_too_long_to_start_is_ended(bento: Path) -> None:
    report = rehearsed(bento, max_startup_s=0.5)

    assert list(failed(report)) == ["start-up"]
    assert "not" in failed(report)["start-up"]


def test_faults_of_the_service_and_a_tiny_budget_are_named_one_by_one(bento: Path) -> None:
    meddle(
        bento,
        of_scope='if scope["path"] in ("/schema", "/metrics"):\n    scope["path"] = "/nowhere"',
        of_message='if message.get("status") == 422:\n    message["status"] = 500',
    )

    report = rehearsed(bento, max_single_p99_ms=1e-3, max_batch_p99_ms=1e-3, max_memory_gb=1e-3)

    found = failed(report)
    bad = {name: what for name, what in found.items() if name.startswith("bad request")}
    assert bad["bad request: null in hours"] == "status 500"
    assert bad["bad request: more than the most in age"] == "status 500"
    assert bad["bad request: one bad row among good ones"] == "status 500"
    assert "bad request: not JSON" not in bad
    assert set(found) - set(bad) == {
        "fields", "latency, single", "latency, batch", "memory", "metrics",
    }  # fmt: skip


def test_code_from_elsewhere_and_a_process_that_will_not_end_are_found(bento: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    start_with(
        bento,
        f"import subprocess, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"subprocess.Popen([sys.executable, '-c', {stubborn!r}], start_new_session=True)",
    )

    report = rehearsed(bento, max_stop_s=3)

    assert failed(report) == {
        "own code": "0 modules imported from there",
        "end": "it had to be killed",
    }


def test_a_service_that_dies_under_questions_is_an_outcome(bento: Path) -> None:
    meddle(bento, of_scope='if scope["path"] == "/schema":\n    os._exit(1)')

    report = rehearsed(bento)

    assert report["outcome"] == "fail"
    assert list(failed(report)) == ["answers"]
    assert report["max_abs_difference"] is None


def test_the_version_that_it_is_served_as_is_checked(bento: Path) -> None:
    start_with(bento, "import os\nos.environ.pop('HALLMARK_MODEL_VERSION', None)")
    rows = rows_of(5)

    report = rehearse(bento, rows, offline(bento, rows), Settings(batch_rows=2), version="7")

    assert report["version"] == "7"
    names = {f"model named {how}" for how in ("one by one", "in batches", "after all that")}
    assert set(failed(report)) == names


def test_a_port_that_somebody_took_is_changed_for_another(
    bento: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind((serving.HOST, 0))
        taken.listen()
        ports = [taken.getsockname()[1], serving.free_port()]
        monkeypatch.setattr(serving, "free_port", lambda: ports.pop(0))
        with serving.served(bento, timeout_s=120, grace_s=20) as service:
            assert service.startup_s > 0
    assert ports == []


SERVES = """
import sys, time
from pathlib import Path
from pipeline.rehearse.served import served
with served(Path(sys.argv[1]), timeout_s=120, grace_s=20) as service:
    print(service.mark, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_whoever_serves(bento: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVES, str(bento)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    mark = process.stdout.readline().strip()
    assert len(watcher.members(mark)) >= 2  # BentoML's own and its worker

    process.send_signal(number)
    process.communicate(timeout=150)

    wait_until(lambda: not watcher.members(mark) and not Path(mark).parent.exists())
    assert process.returncode != 0


def test_a_bento_that_package_did_not_report_is_refused(with_bento: Path, tmp_path: Path) -> None:
    root = shutil.copytree(with_bento, tmp_path / "root")
    (root / "data/people/75_package/bento/src/contract.json").write_text("{}")

    with pytest.raises(ArtifactMissing, match="the bento that package reported"):
        run_stage(root, "rehearse", "people")

    assert not Paths(root, "people", "rehearse").output("report.json").exists()


def test_offline_probabilities_of_a_bento_are_those_that_evaluate_wrote(with_bento: Path) -> None:
    home = with_bento / "data/people"
    known = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    rows = delivered()[known["_row"].to_list()]

    found = offline(home / "75_package/bento", rows)

    np.testing.assert_allclose(found, known["probability"], rtol=0, atol=1e-12)


def test_offline_refuses_rows_that_cleaning_would_drop(bento: Path) -> None:
    source = bento / "src/service.json"
    service = json.loads(source.read_text())
    rule = {"name": "old", "rule": "outside_range", "column": "age", "max": 18}
    service["rules"].append({**rule, "action": "drop_row"})
    write_json(source, service)

    with pytest.raises(PipelineError, match="40 were dropped"):
        offline(bento, rows_of(40))


@pytest.mark.parametrize("content", ["{}", "[]", "half {"])
def test_a_damaged_policy_is_named(bento: Path, content: str) -> None:
    (bento / "src/model/policy.json").write_text(content)

    with pytest.raises(ArtifactMissing, match=r"policy\.json"):
        rehearse(bento, rows_of(5), np.zeros(5), Settings())


def test_half_of_the_rows_have_warts_and_the_choice_is_the_same_each_time() -> None:
    table = pl.DataFrame(
        {
            "_row": pl.Series(range(100), dtype=pl.UInt32),
            "_key": pl.Series([(7 * i) % 100 for i in range(100)], dtype=pl.UInt64),
            "age": [None if i % 10 == 0 else 30.0 for i in range(100)],
            "job": ["rare" if i % 10 == 1 else "common" for i in range(100)],
        }
    )

    found = chosen(table, ["age", "job"], 20).to_list()

    assert found == chosen(table.reverse(), ["age", "job"], 20).to_list()
    assert len(set(found)) == 20
    assert sum(row % 10 in (0, 1) for row in found) >= 10
    keys = [(7 * row) % 100 for row in found]
    assert keys == sorted(keys)


def test_fewer_rows_than_asked_for_are_all_replayed() -> None:
    table = pl.DataFrame({"_row": [0, 1, 2], "_key": [5, 4, 3], "age": [1.0, None, 3.0]})

    assert chosen(table, ["age"], 10).to_list() == [2, 1, 0]


def test_promises_are_the_contracts_critical_ones_on_single_values(root: Path) -> None:
    contract = json.loads((root / "data/adult/contract.json").read_text())
    columns = Columns(
        target="income",
        positive=">50K",
        numeric=("age",),
        categorical=("workclass", "relationship"),
    )

    assert promises(contract, columns) == [
        Promise("age", is_number=True, is_required=True, minimum=16, maximum=90),
        Promise("workclass", is_number=False, is_required=False, is_closed=True),
        Promise("relationship", is_number=False, is_required=True, is_closed=True),
    ]


def test_bad_requests_are_of_many_kinds_and_none_repeats() -> None:
    contract = {"prepared": {"expectations": []}}
    columns = Columns(
        target="y", positive="1", numeric=("a",), categorical=("b",), sensitive=("s",),
        drop={"d": "no use"},
    )  # fmt: skip

    made = bad_requests({"a": 1, "b": "x"}, columns, contract, max_rows=3, max_body_bytes=2000)

    assert len({one.name for one in made}) == len(made) >= 25
    assert {one.status for one in made} == {400, 404, 405, 413, 415, 422}
    by_name = {one.name: one for one in made}
    assert by_name["too many rows"].body.count(b'"b"') == 4
    assert by_name["too many rows"].names == ("3",)
    assert len(by_name["a body that is too long"].body) == 2001
    wide = bad_requests(
        {"a": 1, "b": "x" * 900}, columns, contract, max_rows=3, max_body_bytes=2000
    )
    assert {one.name: one for one in wide}["too many rows"].names == ("2000",)
    assert json.loads(by_name["the sensitive column s"].body)["s"]
    assert b'{"a":NaN,' in by_name["NaN for a value"].body
