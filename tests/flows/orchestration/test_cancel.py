"""A run that a real worker started is cancelled as Prefect's pages do it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.flows.conftest import SOURCE, Tiny, wait_until
from tests.flows.engine.test_build import is_gone
from tests.flows.prefect_api import Api

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]

POOL = "here"
LIMIT_S = 15
"""How long a cancelled run's processes may live on: what the flow promises."""
ENTRY = """
import flows.settings.project_file
flows.settings.project_file.settings_of = lambda name: None  # tiny stages have none
from flows.orchestration.build import build
"""


def deploy(api: Api, tiny: Tiny) -> Any:
    """A deployment of the flow for the tiny repository, in a pool of processes."""
    from prefect.client.schemas.actions import WorkPoolCreate

    from flows.orchestration.build import build

    entry = tiny.root / "orders" / "entry.py"
    entry.write_text(ENTRY)
    with api.client as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"), overwrite=True)
        flow_id = client.create_flow_from_name(build.name)
        return client.create_deployment(
            flow_id=flow_id,
            name="tiny",
            entrypoint=f"{entry}:build",
            path=str(tiny.root),
            work_pool_name=POOL,
            job_variables={"working_dir": str(tiny.root)},
        )


@contextmanager
def worker(api: Api, tiny: Tiny) -> Iterator["subprocess.Popen[bytes]"]:
    options = ["--pool", POOL, "--type", "process", "--name", tiny.root.parent.name]
    log = (tiny.root / "orders" / "worker.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", *options],
        cwd=tiny.root,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_LOGGING")},
            **api.environment,
            "PYTHONPATH": str(SOURCE),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        },
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=150)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def started(api: Api, tiny: Tiny) -> Any:
    """A run of the deployment whose training is at work; returns the run."""
    tiny.set_value("train", 20)
    tiny.order("train", "sleep 120")
    run = api.client.create_flow_run_from_deployment(
        deploy(api, tiny), parameters={"project": "tiny"}
    )
    wait_until(lambda: tiny.has_begun("train"), timeout_s=120)
    return run


def test_a_cancelled_run_ends_its_stages_and_leaves_nothing_held(api: Api, tiny: Tiny) -> None:
    from prefect.states import Cancelling

    with worker(api, tiny):
        run = started(api, tiny)
        pid = tiny.pid("train")

        asked = time.monotonic()
        api.client.set_flow_run_state(run.id, Cancelling())
        wait_until(lambda: is_gone(pid), timeout_s=LIMIT_S)
        assert time.monotonic() - asked < LIMIT_S
        wait_until(lambda: api.flow_run(run.id).state.is_final())

    assert api.flow_run(run.id).state.type.value == "CANCELLED"
    found = {name: task.state.name for name, task in api.tasks(run.id).items()}
    assert found["train"] == "Cancelled"
    assert found["gate"] == "Skipped"
    assert not list(tiny.runs.glob("*/processes.json"))
    assert tiny.last_build()["exit_code"] == 143
    tiny.order("train", "work")
    assert tiny.build().exit_code == 0  # no lock is left
    assert tiny.watcher.notes == []  # nor a process


def test_a_worker_that_is_killed_takes_its_runs_with_it(api: Api, tiny: Tiny) -> None:
    """The run ends its stages and says that it was ended: nothing goes on unseen."""
    with worker(api, tiny) as process:
        run = started(api, tiny)
        pid = tiny.pid("train")
        process.kill()
        process.wait()

    wait_until(lambda: is_gone(pid), timeout_s=LIMIT_S)
    wait_until(lambda: api.flow_run(run.id).state.is_final())
    state = api.flow_run(run.id).state
    assert state.type.value == "CRASHED"
    assert state.message.startswith(f"Its worker (process {process.pid}) is gone: it was killed")
    assert "`hallmark status`" in state.message
    wait_until(lambda: not list(tiny.runs.glob("*/processes.json")))
    wait_until(lambda: is_gone(tiny.last_build_pid()))
    tiny.order("train", "work")
    assert tiny.build().exit_code == 0


def test_a_worker_that_is_stopped_leaves_no_stage_at_work(api: Api, tiny: Tiny) -> None:
    """Prefect's worker then kills the run's process; its stages end by themselves."""
    with worker(api, tiny):
        started(api, tiny)
        pid = tiny.pid("train")

    wait_until(lambda: is_gone(pid), timeout_s=LIMIT_S)
    tiny.order("train", "work")
    assert tiny.build().exit_code == 0
