"""Runs whose process is gone are told so by the server, and no run is begun for ever."""

from typing import Any
from uuid import UUID

import pytest

from tests.flows.prefect_api import Api

POOL = "settled"


@pytest.fixture
def client(api: Api) -> Any:
    from prefect.client.schemas.actions import WorkPoolCreate

    with api.client as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"), overwrite=True)
        yield client


def taken(client: Any) -> UUID:
    """A run of the pool that a worker has taken, which is gone."""
    from prefect.states import Pending

    flow_id = client.create_flow_from_name("build")
    deployment = client.create_deployment(flow_id=flow_id, name="settled", work_pool_name=POOL)
    run = client.create_flow_run_from_deployment(deployment, state=Pending())
    client.set_flow_run_state(run.id, Pending(), force=True)
    return UUID(str(run.id))


def test_5_a_run_that_no_worker_lives_to_begin_is_not_scheduled_for_ever(client: Any) -> None:
    from prefect.states import Pending

    from flows.orchestration.dead_runs import MAX_TAKEN, settle

    run_id = taken(client)
    for _ in range(MAX_TAKEN):
        assert run_id in settle(client, POOL)
        assert client.read_flow_run(run_id).state.is_scheduled()
        client.set_flow_run_state(run_id, Pending(), force=True)

    settle(client, POOL)

    state = client.read_flow_run(run_id).state
    assert state.is_crashed()
    assert state.message.startswith("4 workers took it and were gone before it began. ")
    assert ".local/stack/worker.log" in state.message


def test_5_a_run_whose_process_was_killed_says_so_and_what_to_do(client: Any) -> None:
    from prefect.states import Running

    from flows.orchestration.dead_runs import settle

    run_id = taken(client)
    client.set_flow_run_state(run_id, Running(), force=True)

    settle(client, POOL)

    state = client.read_flow_run(run_id).state
    assert state.is_crashed()
    for words in ("it was killed", "`dmesg | tail`", "`hallmark status`", "start it again"):
        assert words in state.message
