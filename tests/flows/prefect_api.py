"""A real Prefect server for a whole test session, and what tests ask it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from flows.server.prefect_settings import API_URL, AUTH, QUIET, environment
from flows.server.temporary import temporary_server
from tests.flows.conftest import wait_until


class Api:
    """What the server says of runs. States come by events: `tasks` waits for them."""

    def __init__(self, settings: dict[str, str], root: Path) -> None:
        self.url = settings[API_URL]
        self.secret = settings[AUTH]
        self.environment = {**environment(root), **settings}

    @property
    def client(self) -> Any:
        from prefect.client.orchestration import get_client

        return get_client(sync_client=True)

    def flow_run(self, run_id: Any) -> Any:
        return self.client.read_flow_run(run_id)

    def newest(self, project: str) -> Any:
        from prefect.client.schemas.sorting import FlowRunSort

        runs = self.client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=5)
        return next(run for run in runs if run.parameters.get("project") == project)

    def tasks(self, run_id: Any) -> dict[str, Any]:
        """The task runs by name, once each has ended."""
        found: dict[str, Any] = {}

        def have_ended() -> bool:
            found.clear()
            found.update({run.name: run for run in self._task_runs(run_id)})
            return bool(found) and all(run.state.is_final() for run in found.values())

        wait_until(have_ended)
        return found

    def edges(self, tasks: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        names = {run.id: name for name, run in tasks.items()}
        return {
            name: tuple(sorted(names[one.id] for one in run.task_inputs.get("wait_for", ())))
            for name, run in tasks.items()
        }

    def logs(self, run_id: Any, marker: str) -> list[Any]:
        """The run's logs, once one of them has the marker."""
        from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

        found: list[Any] = []

        def is_there() -> bool:
            chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
            found[:] = self.client.read_logs(log_filter=chosen, limit=200)
            return any(marker in log.message for log in found)

        wait_until(is_there)
        return found

    def artifacts(self, run_id: Any) -> dict[str, Any]:
        from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

        chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        return {found.key: found for found in self.client.read_artifacts(artifact_filter=chosen)}

    def _task_runs(self, run_id: Any) -> list[Any]:
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
        found: list[Any] = self.client.read_task_runs(flow_run_filter=chosen)
        return found


@contextmanager
def serving(root: Path) -> Iterator[Api]:
    """A server with a home of its own. This process does not talk to it yet."""
    with temporary_server(root) as server:
        server.wait_until_it_answers()
        yield Api(server.settings, root)


@contextmanager
def talking(api: Api) -> Iterator[Api]:
    """This process, and those that it starts, talk to the server, and to no other."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {**api.environment, **QUIET}))
        from prefect.context import _temporary_global_settings_context, get_settings_context
        from prefect.settings import (
            PREFECT_API_AUTH_STRING,
            PREFECT_API_URL,
            PREFECT_HOME,
            temporary_settings,
        )

        from flows.orchestration.flush import flush

        updates: dict[Any, Any] = {
            PREFECT_API_URL: api.url,
            PREFECT_API_AUTH_STRING: api.secret,
            PREFECT_HOME: api.environment["PREFECT_HOME"],
        }
        stack.enter_context(temporary_settings(updates=updates))
        stack.enter_context(_temporary_global_settings_context(get_settings_context()))
        yield api
        flush()
