"""The Prefect flow against a real server: tasks, edges, states, logs, artifacts."""

import threading
from pathlib import Path
from typing import Any

import pytest

from flows.engine import retries
from flows.engine.locks import build_lock
from flows.engine.worktree import create
from flows.settings import project_file
from pipeline.core.settings.typed_settings import Frozen
from tests.flows.conftest import UPSTREAM, Tiny, wait_until
from tests.flows.engine.test_build import is_gone, pass_deadline_when
from tests.flows.prefect_api import Api

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


class Settings(Frozen):
    value: int = 10
    """What the stage writes, divided by ten."""
    max_epochs: int = 80
    """As training has it."""


@pytest.fixture
def here(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    monkeypatch.chdir(tiny.root)
    monkeypatch.setattr(
        project_file,
        "settings_of",
        lambda name: Settings if name in UPSTREAM else None,
    )
    return tiny


def run(**parameters: Any) -> Any:
    """Run the flow as a deployment would, in this process; return its final state."""
    from flows.orchestration.build import build

    return build(project="tiny", **parameters, return_state=True)


def run_id(state: Any) -> Any:
    return state.state_details.flow_run_id


def states(tasks: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {name: (run.state.type.value, run.state.name) for name, run in tasks.items()}


RAN = ("COMPLETED", "Completed")
CACHED = ("COMPLETED", "Cached")
RESTORED = ("COMPLETED", "Restored")
SKIPPED = ("CANCELLED", "Skipped")


def test_each_stage_is_a_task_with_the_edges_of_dvc_yaml(api: Api, here: Tiny) -> None:
    here.set_value("train", 20)

    state = run()

    tasks = api.tasks(run_id(state))
    assert (state.type.value, state.name) == ("COMPLETED", "Completed")
    assert state.message == "verdict: passed; stages: 3 cached, 2 ran"
    assert states(tasks) == {
        "ingest": CACHED,
        "clean": CACHED,
        "audit": CACHED,
        "train": RAN,
        "gate": RAN,
    }
    assert api.edges(tasks) == UPSTREAM
    assert tasks["train"].state.message == "train.value 10 → 20"
    assert api.flow_run(run_id(state)).name.startswith("tiny, ")


def test_what_a_stage_prints_is_in_its_tasks_log(api: Api, here: Tiny) -> None:
    here.set_value("train", 20)

    state = run()

    tasks = api.tasks(run_id(state))
    logs = api.logs(run_id(state), "train at work")
    task_of = {log.message: log.task_run_id for log in logs}
    assert task_of["train at work"] == tasks["train"].id


def test_a_log_comes_while_the_stage_still_runs(api: Api, here: Tiny) -> None:
    here.set_value("train", 20)
    here.order("train", "meet seen")  # ends when somebody has seen its log
    seen: list[str] = []

    def look() -> None:
        wait_until(lambda: here.has_begun("train"))
        run = api.newest("tiny")
        seen.extend(log.message for log in api.logs(run.id, "train at work"))
        (here.root / "orders" / "seen.pid").write_text("1")

    watcher = threading.Thread(target=look)
    watcher.start()
    state = run()
    watcher.join()

    assert state.is_completed()
    assert "train at work" in seen


def test_what_dvc_had_is_restored_and_what_the_same_bytes_stop_is_cached(
    api: Api, here: Tiny
) -> None:
    here.set_value("train", 20)
    here.build(target="train")
    here.set_value("train", 10)
    here.set_value("clean", 11)

    state = run()

    assert states(api.tasks(run_id(state))) == {
        "ingest": CACHED,
        "clean": RAN,
        "audit": CACHED,
        "train": RESTORED,
        "gate": CACHED,
    }


def test_a_refusing_verdict_ends_the_run_refused_and_once(api: Api, here: Tiny) -> None:
    here.set_value("gate", 100)

    state = run()

    assert (state.type.value, state.name) == ("FAILED", "Refused")
    assert state.message.splitlines()[0] == "verdict: refused"
    assert "✗ accuracy is 0.9" in state.message
    assert api.flow_run(run_id(state)).run_count == 1
    tasks = api.tasks(run_id(state))
    assert states(tasks)["gate"] == RAN
    assert tasks["gate"].run_count == 1


def test_a_stage_that_refuses_is_no_crash_and_what_waits_is_skipped(api: Api, here: Tiny) -> None:
    here.set_value("train", 20)
    here.order("train", "refuse no passing verdict")

    state = run()

    assert (state.type.value, state.name) == ("FAILED", "Refused")
    assert state.message == "train@tiny refused: no passing verdict"
    tasks = api.tasks(run_id(state))
    assert states(tasks)["train"] == ("FAILED", "Refused")
    assert tasks["train"].state.message == "no passing verdict"
    assert tasks["train"].run_count == 1
    assert states(tasks)["gate"] == SKIPPED
    assert api.edges(tasks) == UPSTREAM
    logs = api.logs(run_id(state), "Finished in state Refused")
    assert not [log.message for log in logs if "encountered an exception" in log.message]


def test_a_failed_stage_says_what_went_wrong_first(api: Api, here: Tiny) -> None:
    here.set_value("clean", 20)
    here.order("clean", "fail column age is empty")

    state = run()

    assert (state.type.value, state.name) == ("FAILED", "Failed")
    assert state.message == "clean: ContractBreach: column age is empty"
    tasks = api.tasks(run_id(state))
    assert states(tasks) == {
        "ingest": CACHED,
        "clean": ("FAILED", "Failed"),
        "audit": SKIPPED,
        "train": SKIPPED,
        "gate": SKIPPED,
    }
    assert tasks["clean"].state.message == "ContractBreach: column age is empty"
    assert api.edges(tasks) == UPSTREAM


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rate": 5}, "learning_rate: expected a number from 1e-06 to 1, got 5"),
        ({"max_epochs": "many"}, "max_epochs: expected a whole number from 1 to 1000, got 'many'"),
        ({"from_stage": "trian"}, "from_stage: expected a stage, got 'trian'"),
    ],
)
def test_a_wrong_value_ends_the_run_and_names_its_field(
    api: Api, here: Tiny, parameters: dict[str, Any], message: str
) -> None:
    before = here.settings.read_text()

    state = run(**parameters)

    assert (state.type.value, state.name) == ("FAILED", "Failed")
    assert state.message.splitlines()[0] == message
    assert here.settings.read_text() == before
    assert api.flow_run(run_id(state)).run_count == 1


def test_an_override_is_written_and_run(api: Api, here: Tiny) -> None:
    state = run(max_epochs=7)

    assert state.is_completed()
    assert "train:\n  value: 10\n  max_epochs: 7\n" in here.settings.read_text()
    assert states(api.tasks(run_id(state)))["train"] == RAN
    assert api.logs(run_id(state), "project.yaml: train.max_epochs 80 (the default) → 7")


def test_an_override_in_a_runs_own_worktree_is_committed(
    api: Api, here: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = create(here.root, "tiny", "run-1")
    (tree.root / "orders").mkdir()
    monkeypatch.chdir(tree.root)

    state = run(max_epochs=7)

    assert state.is_completed()
    assert "max_epochs: 7" in (tree.root / "data" / "tiny" / "project.yaml").read_text()
    assert "max_epochs" not in here.settings.read_text()
    assert here.last_build()["dirty"] is False


def test_from_a_stage_runs_it_anew(api: Api, here: Tiny) -> None:
    state = run(from_stage="clean")

    found = states(api.tasks(run_id(state)))
    assert found["clean"] == RAN
    assert found["gate"] == CACHED


def test_the_deadline_ends_the_run(api: Api, here: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    here.set_value("train", 20)
    here.order("train", "sleep 60")
    pass_deadline_when(monkeypatch, lambda: here.has_begun("train"))

    state = run(deadline_s=100)

    assert (state.type.value, state.name) == ("FAILED", "TimedOut")
    assert state.message == "the deadline of 100 s passed"
    found = states(api.tasks(run_id(state)))
    assert found["train"] == ("CANCELLED", "Cancelled")
    assert found["gate"] == SKIPPED
    assert is_gone(here.pid("train"))


def test_two_runs_after_each_other_and_the_second_finds_all_cached(api: Api, here: Tiny) -> None:
    here.set_value("train", 20)
    assert run().is_completed()

    state = run()

    assert state.is_completed()
    assert set(states(api.tasks(run_id(state))).values()) == {CACHED}


def test_independent_stages_overlap(api: Api, here: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two ends only after the other has begun."""
    monkeypatch.setattr("flows.engine.build.os.cpu_count", lambda: 2)
    here.set_value("audit", 20)
    here.set_value("train", 20)
    here.order("audit", "meet train")
    here.order("train", "meet audit")

    state = run()

    assert state.is_completed()
    assert set(states(api.tasks(run_id(state))).values()) == {CACHED, RAN}


def test_a_lock_is_waited_for_and_the_log_says_so(
    api: Api, here: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = build_lock(here.root / ".local", here.root, "tiny")
    lock.__enter__()
    waited: list[float] = []

    def let_go(seconds: float) -> None:
        waited.append(seconds)
        lock.__exit__(None, None, None)

    monkeypatch.setattr(retries, "time", type("Clock", (), {"sleep": staticmethod(let_go)}))

    state = run()

    assert state.is_completed()
    assert waited == [10.0]
    assert api.logs(run_id(state), "try 2 of 4 in 10 s")


def test_verdict_costs_and_training_are_artifacts(api: Api, here: Tiny) -> None:
    here.set_value("train", 20)
    here.order("train", "curve 3")

    state = run()

    found = api.artifacts(run_id(state))
    assert set(found) == {"tiny-gate", "tiny-cost", "tiny-costs-link", "tiny-train-progress"}
    assert "✓ accuracy is 0.9" in found["tiny-gate"].data
    assert "36.0 s" in found["tiny-cost"].data
    assert float(found["tiny-train-progress"].data) == 100
    assert found["tiny-train-progress"].description == (
        "tiny: epoch 3 of at most 80, validation loss 0.5000"
    )
    assert found["tiny-gate"].task_run_id == api.tasks(run_id(state))["gate"].id


def test_the_form_is_flat_with_ranges_and_help() -> None:
    from prefect.utilities.callables import parameter_schema

    from flows.orchestration.build import build

    schema = parameter_schema(build.fn)

    assert schema.required == ["project"]
    rate = schema.properties["learning_rate"]
    assert (rate["type"], rate["minimum"], rate["maximum"]) == ("number", 1e-6, 1)
    assert rate["description"] == "Step size of training."
    assert "train" in schema.properties["from_stage"]["enum"]
    assert not [name for name, field in schema.properties.items() if "anyOf" in field]
    assert all(field["description"] for field in schema.properties.values())


def test_nothing_is_written_to_the_users_prefect(api: Api) -> None:
    from prefect.settings import PREFECT_HOME

    assert Path(PREFECT_HOME.value()) != Path("~/.prefect").expanduser()
