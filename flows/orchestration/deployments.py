"""Makes Prefect's deployments from params.yaml: `build` for each project, and what moves champions.

`python -m flows.orchestration.deployments` runs before each start of the worker: it waits for the
server, makes the work pool and the deployments, removes those of projects that are no more, and
tells the server the truth of runs that died. What a person switched off on Prefect's pages stays
off.
"""

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.engine.checkout import find_root
from flows.orchestration.dead_runs import install_automation, settle
from flows.orchestration.schedules import schedules
from flows.server import prefect_settings
from pipeline.core.errors import PipelineError

POOL = "hallmark"
BUILD = "flows.orchestration.build.build"
ENTRYPOINTS = (
    BUILD,
    "flows.orchestration.promote.promote",
    "flows.orchestration.promote.rollback",
    "flows.orchestration.prune_flow.prune",
)
"""The flows that are deployed, as Prefect names them: the worker runs no others."""
TAG = "hallmark"
"""Marks what is ours among a server's deployments: without it nothing is removed."""
MAX_RUNS = 3
"""So many runs go side by side at most: each build uses the cores that it finds."""
PRUNED = "0 2 * * 0"
"""When old runs are pruned: Sundays at two, UTC."""
SERVER_WITHIN_S = 180.0
ENGINE = (sys.executable, "-m", "prefect.engine")
_COMMON: dict[str, Any] = {
    "work_pool_name": POOL,
    "tags": [TAG],
    "entrypoint_type": EntrypointType.MODULE_PATH,
}


def install(root: Path) -> list[str]:
    """Make all of it; return the names of the deployments.

    Raises:
        ProjectError: params.yaml has a wrong entry.
    """
    wanted = _deployments(root)
    with get_client(sync_client=True) as client:
        _make_pool(client, root)
        paused = _switched_off(client)
        for deployment in wanted:
            _keep_switched_off(deployment, paused)
            _drop_schedules(client, deployment)
            deployment.apply()
        names = {(one.flow_name, one.name) for one in wanted}
        _remove_others(client, names)
        install_automation(client)
        settle(client, POOL)
    return [f"{flow_name}/{name}" for flow_name, name in sorted(map(_text, names))]


def _text(name: tuple[str | None, str]) -> tuple[str, str]:
    return str(name[0]), name[1]


def _deployments(root: Path) -> list[RunnerDeployment]:
    from flows.orchestration.build import build
    from flows.orchestration.promote import promote, rollback
    from flows.orchestration.prune_flow import prune

    crons = schedules(root)
    found = [_of_build(build, project, cron) for project, cron in crons.items()]
    for flow in (promote, rollback):
        moving = RunnerDeployment.from_flow(flow, flow.name, concurrency_limit=1, **_COMMON)
        _choices(moving, "project", list(crons))
        _may_stay_empty(moving)
        found.append(moving)
    sundays = [Cron(PRUNED, timezone="UTC", slug="schedule")]
    found.append(RunnerDeployment.from_flow(prune, prune.name, schedules=sundays, **_COMMON))
    return found


def _of_build(flow: Flow[..., Any], project: str, cron: str | None) -> RunnerDeployment:
    deployment = RunnerDeployment.from_flow(
        flow,
        project,
        parameters={"project": project},
        schedules=[Cron(cron, timezone="UTC", slug="schedule")] if cron else [],
        **_COMMON,
    )
    _choices(deployment, "project", [project])
    _may_stay_empty(deployment)
    return deployment


def _may_stay_empty(deployment: RunnerDeployment) -> None:
    """Name no default where it is nothing: the form would send it, and then refuse it."""
    for field in deployment._parameter_openapi_schema.properties.values():
        if field.get("default", ...) is None:
            del field["default"]


def _choices(deployment: RunnerDeployment, name: str, values: list[str]) -> None:
    """Let the form offer these values of a parameter, and no others."""
    deployment._parameter_openapi_schema.properties[name]["enum"] = values


def _make_pool(client: SyncPrefectClient, root: Path) -> None:
    template = _template(root)
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(
            WorkPoolCreate(
                name=POOL, type="process", base_job_template=template, concurrency_limit=MAX_RUNS
            )
        )
    else:
        client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))


def _template(root: Path) -> dict[str, Any]:
    """How the pool's runs are started: nothing of it is left to a deployment or a run to say."""
    return {
        "job_configuration": {
            "command": shlex.join(ENGINE),  # of a build the worker makes another one
            "env": {},
            "labels": {},
            "name": None,
            "stream_output": True,
            "working_dir": str(root),
        },
        "variables": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def _ours(client: SyncPrefectClient) -> list[tuple[Any, str]]:
    """Our deployments on the server, each with the name of its flow."""
    found = [one for one in client.read_deployments() if TAG in (one.tags or ())]
    return [(one, client.read_flow(one.flow_id).name) for one in found]


def _switched_off(client: SyncPrefectClient) -> set[tuple[str, str]]:
    return {
        (flow_name, one.name)
        for one, flow_name in _ours(client)
        if one.paused or any(not schedule.active for schedule in one.schedules)
    }


def _keep_switched_off(deployment: RunnerDeployment, paused: set[tuple[str, str]]) -> None:
    if (str(deployment.flow_name), deployment.name) in paused:
        for schedule in deployment.schedules or ():
            schedule.active = False


def _drop_schedules(client: SyncPrefectClient, deployment: RunnerDeployment) -> None:
    """Remove the schedules of a deployment that has none any more: `apply` leaves them."""
    for one, flow_name in _ours(client) if not deployment.schedules else ():
        if (flow_name, one.name) == (deployment.flow_name, deployment.name):
            for schedule in one.schedules:
                client.delete_deployment_schedule(one.id, schedule.id)


def _remove_others(client: SyncPrefectClient, names: set[tuple[str | None, str]]) -> None:
    for one, flow_name in _ours(client):
        if (flow_name, one.name) not in names:
            client.delete_deployment(one.id)


def _wait_for_server() -> None:
    until = time.monotonic() + SERVER_WITHIN_S
    while (found := prefect_settings.answer(os.environ)) != "answers":
        if time.monotonic() > until:
            url = os.environ[prefect_settings.API_URL]
            raise PipelineError(f"expected a Prefect server at {url}, it {found}")
        time.sleep(0.3)


if __name__ == "__main__":
    try:
        _wait_for_server()
        sys.stdout.write(f"deployments: {', '.join(install(find_root(Path.cwd())))}\n")
    except PipelineError as error:
        sys.exit(f"{type(error).__name__}: {error}")
