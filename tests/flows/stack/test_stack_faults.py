"""The real stack on the tiny repository, and what is done to it while a deployment's run works.

Every fault is injected into real processes: Prefect's server and worker, MLflow, the flow, a
stage. What each test asserts: the run ends in a true state, nothing works on, the next run passes.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.flows.conftest import wait_until
from tests.flows.stack.conftest import KINDS, Whole
from tests.flows.stack.test_stack import living

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]

CANCEL_WITHIN_S = 15.0


def get(url: str) -> str:
    return httpx.get(url, timeout=10, follow_redirects=True).raise_for_status().text


def test_all_of_it_is_up_and_the_page_says_how_the_project_stands(whole: Whole) -> None:
    assert whole.hallmark("status")[0] == 0
    ports = {kind: whole.environment[f"HALLMARK_{kind.upper()}_PORT"] for kind in KINDS}

    page = get(f"http://127.0.0.1:{ports['page']}/")

    assert "tiny" in page
    assert "none yet" in page
    assert f"http://127.0.0.1:{ports['mlflow']}" in page
    assert "waits: nothing to serve yet" in page
    assert "<title>MLflow</title>" in get(f"http://127.0.0.1:{ports['mlflow']}/")
    assert "Prefect" in get(f"http://127.0.0.1:{ports['prefect']}/")


def test_deployments_come_from_params_with_plain_forms(whole: Whole) -> None:
    found = whole.deployments()

    assert set(found) == {"build/tiny", "promote/promote", "rollback/rollback", "prune/prune"}
    form = found["build/tiny"].parameter_openapi_schema["properties"]
    assert form["project"]["enum"] == ["tiny"]
    assert found["build/tiny"].parameters == {"project": "tiny"}
    promotion = found["promote/promote"].parameter_openapi_schema
    assert promotion["properties"]["project"]["enum"] == ["tiny"]
    assert set(promotion["required"]) == {"project", "who", "why"}
    for field in promotion["properties"].values():
        assert field["type"] == "string"
        assert field["description"].endswith(".")


def refusal(whole: Whole, name: str, parameters: dict[str, Any]) -> str:
    """What the server, or else the run, says against these parameters."""
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        run_id = whole.start(name, **parameters)
    except PrefectHTTPStatusError as error:
        return str(error.response.text)
    assert whole.ended(run_id) == "Failed"
    return str(whole.run(run_id).state.message)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("build/tiny", {"max_epochs": 0}, "max_epochs"),
        ("build/tiny", {"project": "other"}, "other"),
        ("promote/promote", {"project": "tiny", "who": " ", "why": "x"}, "who: expected text"),
        ("promote/promote", {"project": "tiny", "who": "me", "why": "x"}, "registered version"),
        ("rollback/rollback", {"project": "tiny", "who": "me", "why": "x"}, "tiny"),
    ],
)
def test_a_wrong_value_ends_with_a_message_that_names_it(
    whole: Whole, name: str, parameters: dict[str, Any], said: str
) -> None:
    """Where the form's schema does not refuse it before anything runs, the flow does."""
    from prefect.exceptions import PrefectHTTPStatusError

    refused = None
    try:
        run_id = whole.start(name, **parameters)
    except PrefectHTTPStatusError as error:
        refused = error.response
    if refused is not None:
        assert refused.status_code in (409, 422)
        assert said in refused.text
        return
    assert whole.ended(run_id) == "Failed"
    assert said in whole.run(run_id).state.message


def test_a_schedule_of_one_minute_fires_by_itself(whole: Whole) -> None:
    """Made by changing params.yaml, and gone again with it."""
    whole.tiny.order("train", "work")
    params = whole.root / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("schedule: never", 'schedule: "* * * * *"'))
    assert whole.command("flows.orchestration.deployments")[0] == 0

    def fired() -> list[Any]:
        runs = whole.client.read_flow_runs(limit=200)
        return [run for run in runs if run.auto_scheduled and run.state.is_completed()]

    try:
        wait_until(lambda: bool(fired()), timeout_s=240)
    finally:
        params.write_text(before)
        code, output = whole.command("flows.orchestration.deployments")
    assert code == 0, output
    assert whole.deployments()["build/tiny"].schedules == []


def test_a_project_that_is_no_more_loses_its_deployment(whole: Whole) -> None:
    params = whole.root / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("  tiny:", "  other:\n    modality: tabular\n  tiny:"))
    assert whole.command("flows.orchestration.deployments")[0] == 0
    added = whole.deployments()["build/other"]
    assert [str(one.schedule.cron) for one in added.schedules] == ["0 3 * * 1"]

    params.write_text(before)
    assert whole.command("flows.orchestration.deployments")[0] == 0

    assert "build/other" not in whole.deployments()


def test_what_was_switched_off_on_the_pages_stays_off(whole: Whole) -> None:
    params = whole.root / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("schedule: never", "schedule: 0 4 * * *"))
    try:
        assert whole.command("flows.orchestration.deployments")[0] == 0
        one = whole.deployments()["build/tiny"]
        whole.client.update_deployment_schedule(one.id, one.schedules[0].id, active=False)

        assert whole.command("flows.orchestration.deployments")[0] == 0

        assert [s.active for s in whole.deployments()["build/tiny"].schedules] == [False]
    finally:
        params.write_text(before)
        whole.command("flows.orchestration.deployments")


def test_two_runs_with_other_values_and_an_editor_side_by_side(whole: Whole) -> None:
    whole.tiny.order("train", "meet editor")
    (whole.root / "orders" / "editor.pid").unlink(missing_ok=True)
    num_before = len(list(whole.tiny.runs.glob("*/train@tiny.log")))
    runs = {number: whole.start(max_epochs=number) for number in (11, 12)}
    wait_until(lambda: len(list(whole.tiny.runs.glob("*/train@tiny.log"))) == num_before + 2, 120)
    code = whole.root / "code" / "train.py"
    before = code.read_text()
    try:
        code.write_text("half a thought (")
        (whole.root / "orders" / "editor.pid").write_text("done")

        states = {number: whole.ended(run_id) for number, run_id in runs.items()}
    finally:
        code.write_text(before)

    assert all(whole.run(run_id).state.is_completed() for run_id in runs.values()), states
    for number, run_id in runs.items():
        worktree = whole.root / ".local" / "worktrees" / str(run_id)
        settings = worktree / "data" / "tiny" / "project.yaml"
        assert f"max_epochs: {number}" in settings.read_text()
        changed = subprocess.run(
            ["git", "log", "--format=%s", f"run/tiny/{run_id}", "-1"],
            cwd=whole.root, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "train.max_epochs" in changed.stdout
    assert "max_epochs" not in whole.tiny.settings.read_text()


def test_cancelled_from_the_api_its_processes_end_and_the_checkpoint_stays(whole: Whole) -> None:
    from prefect.states import Cancelling

    checkpoint = whole.root / ".local" / "checkpoints" / "of-this-training"
    checkpoint.mkdir(parents=True, exist_ok=True)
    run_id, training = whole.at_work()
    engine = whole.engine(run_id)

    asked = time.monotonic()
    whole.client.set_flow_run_state(run_id, Cancelling())
    wait_until(lambda: not living([training]), CANCEL_WITHIN_S)
    assert time.monotonic() - asked < CANCEL_WITHIN_S

    assert whole.ended(run_id) == "Cancelled"
    wait_until(lambda: not living([engine]))
    assert checkpoint.is_dir()
    whole.passes()


def kill_worker(whole: Whole, _run_id: UUID) -> None:
    os.kill(whole.pid_of("worker"), signal.SIGKILL)


def kill_engine(whole: Whole, run_id: UUID) -> None:
    whole.engine(run_id).kill()


def kill_stage(whole: Whole, _run_id: UUID) -> None:
    whole.training().kill()


@pytest.mark.parametrize(
    ("inject", "states"),
    [
        pytest.param(kill_worker, {"Crashed", "Cancelled"}, id="worker"),
        pytest.param(kill_engine, {"Crashed"}, id="flow"),
        pytest.param(kill_stage, {"Failed"}, id="stage"),
    ],
)
@pytest.mark.parametrize("time_no", [1, 2])
def test_what_is_killed_in_mid_run_leaves_nothing_behind(
    whole: Whole, inject: Callable[[Whole, UUID], None], states: set[str], time_no: int
) -> None:
    run_id, training = whole.at_work()

    inject(whole, run_id)

    wait_until(lambda: not living([training]), 40)
    assert whole.ended(run_id, 300) in states
    whole.passes()
    wait_until(lambda: whole.hallmark("status")[0] == 0)


@pytest.mark.parametrize("time_no", [1, 2])
def test_worker_and_flow_killed_together_are_found_out(whole: Whole, time_no: int) -> None:
    """Nobody is left to tell the server; the next worker does before it takes a run."""
    run_id, training = whole.at_work()

    os.killpg(whole.pid_of("worker"), signal.SIGKILL)

    wait_until(lambda: not living([training]), 40)
    assert whole.ended(run_id, 120) == "Crashed"
    message = whole.run(run_id).state.message
    assert message.startswith("Its process is gone and reported no end: it was killed")
    assert ".local/stack/worker.log" in message
    whole.passes()


def test_a_run_that_its_worker_had_not_begun_is_begun_by_the_next(whole: Whole) -> None:
    from prefect.states import Pending

    whole.tiny.order("train", "work")
    os.kill(whole.pid_of("worker"), signal.SIGSTOP)  # takes nothing more
    try:
        run_id = whole.start(from_stage="train")
        whole.client.set_flow_run_state(run_id, Pending(), force=True)  # as a worker does first
    finally:
        os.killpg(whole.pid_of("worker"), signal.SIGKILL)

    assert whole.ended(run_id) == "Completed"


def test_5_a_run_whose_command_says_nothing_ends_and_frees_its_place(whole: Whole) -> None:
    """It ends with 0, so that Prefect's worker has nothing to report."""
    whole.tiny.order("isolated", "end")
    try:
        run_id = whole.start()
        assert whole.ended(run_id, 120) == "Crashed"
    finally:
        (whole.root / "orders" / "isolated").unlink()

    message = str(whole.run(run_id).state.message)
    assert message.startswith("Its process ended before the run began, and said nothing.")
    assert "`hallmark status`" in message


def test_a_killed_build_of_the_command_line_is_found_out_by_its_silence(whole: Whole) -> None:
    """It has no worker; the server itself ends what says nothing for two minutes."""
    whole.tiny.set_value("train", 70)
    whole.tiny.order("train", "sleep 600")
    (whole.root / "orders" / "train.pid").unlink(missing_ok=True)
    words = [sys.executable, "-m", "flows.cli.main", "build", "tiny", "--flow"]
    with subprocess.Popen(words, cwd=whole.root, env=whole.environment) as build:
        try:
            wait_until(lambda: whole.tiny.has_begun("train"), 120)
            runs = whole.client.read_flow_runs(limit=200)
            run_id = next(one.id for one in runs if one.state.is_running())
        finally:
            build.kill()
    training = whole.training()

    wait_until(lambda: not living([training]), 40)
    assert whole.ended(run_id, 400) == "Crashed"
    assert "said nothing for 120 s" in whole.run(run_id).state.message
    whole.tiny.git("checkout", "--quiet", "--", "data/tiny/project.yaml")


@pytest.mark.parametrize("time_no", [1, 2])
def test_a_server_that_is_killed_in_mid_run_costs_no_build(whole: Whole, time_no: int) -> None:
    run_id, training = whole.at_work()
    before = whole.pid_of("prefect")

    os.killpg(before, signal.SIGKILL)
    wait_until(lambda: whole.hallmark("status")[0] == 0, 120)

    assert whole.pid_of("prefect") != before
    assert living([training])
    training.terminate()  # it ends as failed: the run must say so, to the new server
    assert whole.ended(run_id, 180) == "Failed"
    whole.passes()


def test_a_restart_of_the_whole_stack_loses_nothing_that_was_stored(whole: Whole) -> None:
    run_id, training = whole.at_work()
    stored = whole.begun()

    assert whole.hallmark("down")[0] == 0
    assert not living([training])
    code, output = whole.hallmark("up")

    assert code == 0, output
    assert whole.ended(run_id, 300) in {"Crashed", "Cancelled"}
    assert whole.begun() >= stored
    whole.passes()
