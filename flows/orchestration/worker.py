"""The stack's Prefect worker: starts only runs of our own deployments, each by our own command.

`python -m flows.orchestration.worker --port PORT`. What a run executes is decided here: neither a
deployment's entrypoint or pull steps nor job variables can name another command, folder or
environment. Its health is served on 127.0.0.1 at the port.
"""

import asyncio
import contextlib
import os
import shlex
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import uvicorn
from prefect import Flow, flow
from prefect.settings import get_current_settings
from prefect.states import Crashed
from prefect.utilities.processutils import setup_signal_handlers_worker
from prefect.workers import process
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from flows.orchestration.dead_runs import WHAT_TO_DO
from flows.orchestration.deployments import BUILD, ENGINE, ENTRYPOINTS, POOL
from flows.server.hosts import for_named_hosts
from pipeline.core.bento.ports import HOST
from pipeline.core.errors import ProjectError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse
    from starlette.requests import Request

ENTRYPOINT = "PREFECT__FLOW_ENTRYPOINT"


@flow
def _without_hooks() -> None:
    """What our flows are to a worker."""


async def _nothing_loaded(_flow_run: "FlowRun") -> Flow[..., Any]:
    return _without_hooks


# To look for hooks, of which our flows have none, Prefect would run the deployment's pull steps in
# the worker itself.
setattr(process, "load_flow_from_flow_run", _nothing_loaded)  # noqa: B010 -- it is not exported

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Type 'Worker'")  # it takes the place of Prefect's

    class Worker(ProcessWorker):
        """Prefect's process worker for our deployments and no others."""

        async def run(
            self,
            flow_run: "FlowRun",
            configuration: ProcessJobConfiguration,
            task_status: Any = None,
        ) -> ProcessWorkerResult:
            """Run a flow run's process to its end.

            Raises:
                ProjectError: the run is none of our deployments'.
            """
            deployment = None
            if flow_run.deployment_id is not None:
                deployment = await self.client.read_deployment(flow_run.deployment_id)
            configuration.command = shlex.join(command(flow_run, deployment))
            # With it the run does not read the deployment again, which may have changed by then.
            configuration.env[ENTRYPOINT] = deployment.entrypoint if deployment else None
            ended = await super().run(flow_run, configuration, task_status)
            if ended.status_code == 0:
                await self._end_what_did_not_begin(flow_run)
            return ended

        async def _end_what_did_not_begin(self, flow_run: "FlowRun") -> None:
            """A process that ended well and said nothing must not hold a place of the pool."""
            state = (await self.client.read_flow_run(flow_run.id)).state
            if state and state.is_pending():
                words = f"Its process ended before the run began, and said nothing. {WHAT_TO_DO}"
                await self.client.set_flow_run_state(flow_run.id, Crashed(message=words))


def command(flow_run: "FlowRun", deployment: "DeploymentResponse | None") -> list[str]:
    """What starts a flow run: a build in a worktree of its own, the rest in the checkout.

    Raises:
        ProjectError: it is no run of our deployments, or the deployment was changed.
    """
    entrypoint = deployment.entrypoint if deployment else None
    if deployment is None or entrypoint not in ENTRYPOINTS or deployment.pull_steps:
        raise ProjectError(
            f"expected a run of a deployment that Hallmark has made, got {flow_run.name!r} with "
            f"the entrypoint {entrypoint!r}",
            hint="`hallmark build` runs from the command line; what params.yaml names is deployed "
            "by the next `hallmark up`",
        )
    if entrypoint == BUILD:
        project = str(flow_run.parameters.get("project"))
        return [sys.executable, "-m", "flows.orchestration.isolated", project]
    return list(ENGINE)


@contextlib.contextmanager
def _health(worker: Worker, port: int, query_s: float) -> Iterator[None]:
    """Serve whether the worker still asks for runs."""

    def health(_: "Request") -> PlainTextResponse:
        is_polling = worker.is_worker_still_polling(query_interval_seconds=query_s)
        return PlainTextResponse(
            "ok" if is_polling else "polls no more", 200 if is_polling else 503
        )

    application = for_named_hosts(Starlette(routes=[Route("/health", health)]))
    server = uvicorn.Server(
        uvicorn.Config(application, host=HOST, port=port, log_level="error", loop="asyncio")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


async def _work(worker: Worker) -> None:
    with contextlib.suppress(asyncio.CancelledError):  # Prefect's own way to stop it
        await worker.start()


@click.command()
@click.option("--port", type=int, required=True, help="Serve the worker's health here.")
def main(port: int) -> None:
    """Take runs of the pool until the process is ended."""
    settings = get_current_settings().worker
    setup_signal_handlers_worker(os.getpid(), "the worker", click.echo)
    worker = Worker(
        POOL,
        name="local",
        prefetch_seconds=settings.prefetch_seconds,
        heartbeat_interval_seconds=int(settings.heartbeat_seconds),
        create_pool_if_not_found=False,
    )
    with _health(worker, port, settings.query_seconds):
        asyncio.run(_work(worker))


if __name__ == "__main__":
    main()
