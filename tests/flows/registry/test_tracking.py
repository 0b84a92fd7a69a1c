"""Runs in a real MLflow on sqlite: what a build leaves there, and what its failure costs."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.engine.build import Request
from flows.graph.outputs import Outputs
from flows.orchestration.complete import Completed, complete_build
from flows.registry import tracked_build
from flows.registry import tracker as tracking
from flows.tracking.content import curve_points, metrics, parameters
from flows.tracking.store import Point, Store
from pipeline.core.errors import ProjectError
from pipeline.core.files import write_json
from tests.flows.conftest import Tiny, Watcher, wait_until
from tests.flows.registry.tracked import with_tables

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

TRACKED = True


@pytest.fixture(autouse=True)
def _quick_tables(tiny: Tiny, tables: Path) -> None:
    with_tables(tiny.root, tables)


def build(tiny: Tiny, **request: Any) -> Completed:
    return complete_build(Request(tiny.root, "tiny", **request), Watcher())


def runs(tiny: Tiny) -> list[Any]:
    """The project's runs, the newest first, as MLflow itself has them."""
    store = Store(tiny.root, "tiny")
    return list(store._client.search_runs([store.experiment]))


def test_a_build_is_a_run_with_parameters_tags_and_reports(tiny: Tiny) -> None:
    tiny.set_value("train", 20)

    done = build(tiny)

    (run,) = runs(tiny)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.value"] == "20"
    assert run.data.params["modality"] == "tabular"
    expected = {
        "build": done.outcome.folder.name,
        "project": "tiny",
        "verdict": "pass",
        "dirty": "true",
        "trained": "true",
        "cost_wall_s": "72.0",
        "cost_cpu_s": "144.0",
        "cost_currency": "EUR",
        "model": "none: the build did not reach `package`",
    }
    assert expected.items() <= run.data.tags.items()
    assert float(run.data.tags["cost_money"]) == pytest.approx(0.01)
    assert len(run.data.tags["dvc_lock_digest"]) == len(run.data.tags["commit"]) + 24 == 64
    store = Store(tiny.root, "tiny")
    files = [item.path for item in store._client.list_artifacts(run.info.run_id, "gate")]
    assert files == ["gate/verdict.json"]
    assert run.info.artifact_uri.startswith((tiny.root / ".local/mlflow/artifacts").as_uri())
    assert not (tiny.root / "mlruns").exists()
    assert f"tracked: run {run.info.run_id}" in done.lines


def test_a_build_that_finds_all_fresh_makes_no_run(tiny: Tiny) -> None:
    assert build(tiny).lines == ()
    assert runs(tiny) == []


def test_a_refused_build_says_why_it_has_no_model(tiny: Tiny) -> None:
    tiny.set_value("gate", 100)

    done = build(tiny)

    (run,) = runs(tiny)
    assert run.info.status == "FINISHED"
    assert run.data.tags["verdict"] == "fail"
    assert run.data.tags["model"] == "none: the gate refused it"
    assert "not registered: the gate refused it" in done.lines


def test_a_failed_build_is_a_failed_run(tiny: Tiny) -> None:
    tiny.set_value("clean", 20)
    tiny.order("clean", "fail column age is empty")

    build(tiny)

    assert [run.info.status for run in runs(tiny)] == ["FAILED"]


def test_a_restored_build_links_the_run_that_trained(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    build(tiny)
    tiny.set_value("train", 30)
    build(tiny)
    tiny.set_value("train", 20)

    done = build(tiny)

    newest, _, oldest = sorted(runs(tiny), key=lambda run: -run.info.start_time)
    assert newest.data.tags["original_run"] == oldest.info.run_id
    assert newest.data.tags["restored"] == "true"
    assert any(oldest.info.run_id in line for line in done.lines)


@contextmanager
def locked(tiny: Tiny) -> Iterator[None]:
    """Somebody holds the database and does not let go."""
    source = tiny.root / ".local" / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.rollback()


@pytest.mark.slow
def test_a_locked_store_costs_no_build_and_is_caught_up_once(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALLMARK_TRACKING_PATIENCE_S", "0")
    tiny.set_value("train", 20)
    with locked(tiny):
        done = build(tiny)
    assert done.exit_code == 0
    name = done.outcome.folder.name
    assert done.lines[0].startswith("not tracked: tracking did not answer within 0 s")
    assert done.lines[1].endswith(f"`hallmark track tiny` logs build {name}")
    tiny.set_value("train", 30)  # the workspace moves on
    tiny.build()
    assert build(tiny).lines == ("1 build is not tracked yet: `hallmark track tiny`",)

    for _ in range(2):
        lines, all_logged = tracking.track_builds(tiny.root, "tiny", None)
        assert all_logged, lines

    (run,) = runs(tiny)
    assert run.data.tags["build"] == name
    assert run.data.params["train.value"] == "20"
    assert "every build of tiny is tracked" in lines[0]
    again, _ = tracking.track_builds(tiny.root, "tiny", name)
    assert again == [f"build {name}: nothing to do, run {run.info.run_id}"]


def test_a_store_that_is_locked_for_a_moment_is_waited_for(tiny: Tiny) -> None:
    tiny.set_value("gate", 20)
    let_go = threading.Event()

    def hold() -> None:
        with locked(tiny):
            held.set()
            let_go.wait(60)

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    threading.Timer(4.0, let_go.set).start()

    done = build(tiny)

    thread.join()
    assert done.lines[0].startswith("tracked: run ")
    assert len(runs(tiny)) == 1


def test_a_server_out_of_reach_costs_no_build(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_TRACKING_PATIENCE_S", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    tiny.set_value("train", 20)

    done = build(tiny)

    assert done.exit_code == 0
    assert "http://127.0.0.1:9" in done.lines[0]
    assert [one.build for one in tracked_build.due(tiny.root, "tiny")] == [done.outcome.folder.name]


def test_tracking_can_be_switched_off(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_TRACKING", "off")
    tiny.set_value("gate", 20)

    assert build(tiny).lines == ("not tracked and not registered: HALLMARK_TRACKING=off",)
    assert tracked_build.due(tiny.root, "tiny") == []


def test_track_refuses_a_build_that_it_does_not_know(tiny: Tiny) -> None:
    with pytest.raises(ProjectError, match="got 'nonsense'"):
        tracking.track_builds(tiny.root, "tiny", "nonsense")


def test_a_killed_builds_run_ends_in_a_true_state(tiny: Tiny) -> None:
    """What a killed build leaves: an open record, a run that seems to go on, no build.json."""
    left = tracked_build.opened(tiny.root, "tiny", "20260101T000000000000-1")
    left = tracked_build.TrackedBuild(**{**vars(left), "create_time": left.create_time - 100})
    tracked_build.write(tiny.root, left)
    tracked_build.begin(Store(tiny.root, "tiny"), left)
    tiny.set_value("gate", 20)

    build(tiny)

    status = {run.data.tags["build"]: run.info.status for run in runs(tiny)}
    assert status.pop("20260101T000000000000-1") == "KILLED"
    assert list(status.values()) == ["FINISHED"]


@pytest.fixture
def live(tiny: Tiny) -> Iterator[tuple[tracking._Live, Path, str]]:
    """The thread that follows a training, the file that it follows, and its run."""
    record = tracked_build.opened(tiny.root, "tiny", "20260101T000000000000-1")
    source = tiny.root / "data/tiny/40_train/curves.jsonl"
    source.write_text(points(range(1, 9)))  # of the training before
    thread = tracking._Live(tiny.root, record)
    wait_until(lambda: bool(runs(tiny)))
    yield thread, source, runs(tiny)[0].info.run_id
    thread.close()


def points(epochs: range) -> str:
    lines = [{"epoch": e, "train_loss": 1 / e, "validation_loss": 2 / e} for e in epochs]
    return "".join(json.dumps(line) + "\n" for line in lines)


def logged(tiny: Tiny, run: str) -> list[int]:
    history = Store(tiny.root, "tiny")._client.get_metric_history(run, "train/validation_loss")
    return [point.step for point in history]


def test_curves_move_while_training_runs_and_a_resumed_one_logs_no_epoch_twice(
    tiny: Tiny, live: tuple[tracking._Live, Path, str]
) -> None:
    thread, source, run = live
    thread.training_begins()
    source.unlink()
    source.write_text(points(range(1, 3)))  # what the checkpoint knew, written anew
    wait_until(lambda: thread._size > 0)
    for last in (4, 6):
        with source.open("a") as stream:
            stream.write(points(range(last - 1, last + 1)))
        wait_until(lambda last=last: last in logged(tiny, run))  # type: ignore[misc]

    assert logged(tiny, run) == [1, 2, 3, 4, 5, 6]
    assert Store(tiny.root, "tiny").last_step(run, "train/validation_loss") == 6


def test_a_restored_curve_is_no_training(
    tiny: Tiny, live: tuple[tracking._Live, Path, str]
) -> None:
    thread, source, run = live
    thread.training_begins()
    source.unlink()
    source.write_text(points(range(1, 9)))
    wait_until(lambda: thread._size > 0)
    thread.training_ends()
    thread.close()

    assert logged(tiny, run) == []


def test_a_half_written_line_of_a_curve_waits_for_its_end() -> None:
    text = points(range(1, 4))

    found = curve_points(text[:-5], after=1, time_ms=7)

    assert found == [Point(2, {"train/train_loss": 0.5, "train/validation_loss": 1.0}, 7)]


def test_parameters_are_the_projects_file_key_by_key() -> None:
    text = "train: {hidden: [8, 4], strength: 0.8}\ngate: {rules: [{at_least: 0.5}]}\naudit: {}\n"

    assert parameters(text, "tabular") == {
        "modality": "tabular",
        "train.hidden": "[8, 4]",
        "train.strength": "0.8",
        "gate.rules.0.at_least": "0.5",
        "audit": "{}",
    }


def test_metrics_come_with_their_intervals(tiny: Tiny) -> None:
    interval = {"value": 0.9, "low": 0.8, "high": 0.95}
    folder = tiny.root / "data/tiny"
    evaluation = {"model": {"metrics": {"roc_auc": interval}}, "champion": {"outcome": "none"}}
    write_json(folder / "50_evaluate/report.json", evaluation)
    gaps = {"gaps": {"demographic_parity_difference": {**interval, "noise_floor": 0.1}}}
    write_json(folder / "55_assess/report.json", {"model": {"sex × race": gaps}})
    entries = {
        stage: {"outs": [{"path": f"data/tiny/{name}/report.json", "md5": _md5(folder / name)}]}
        for stage, name in (("evaluate", "50_evaluate"), ("assess", "55_assess"))
    }

    assert metrics(Outputs(tiny.root, "tiny", entries, tiny.root / "no-cache")) == {
        "roc_auc": 0.9,
        "roc_auc_low": 0.8,
        "roc_auc_high": 0.95,
        "sex_x_race/demographic_parity_difference": 0.9,
        "sex_x_race/demographic_parity_difference_low": 0.8,
        "sex_x_race/demographic_parity_difference_high": 0.95,
    }


def _md5(folder: Path) -> str:
    import hashlib

    return hashlib.md5((folder / "report.json").read_bytes()).hexdigest()  # noqa: S324 -- DVC's
