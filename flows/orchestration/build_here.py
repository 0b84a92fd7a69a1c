"""A command line's build as a flow run, in this process: the build here, Prefect told beside it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import prefect.runtime.flow_run
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from flows.engine.build import Observer, Request
from flows.engine.retries import retrying
from flows.engine.stage_run import RunContext, StageResult
from flows.graph.plan import Plan
from flows.orchestration.beside import Beside
from flows.orchestration.build import OPTIONS, failed, run_name, show_costs
from flows.orchestration.complete import Completed, complete_build
from flows.orchestration.states import state_of_build
from flows.orchestration.tasks import TaskObserver, TaskPool
from pipeline.core.errors import PipelineError


@dataclass(frozen=True)
class FlowRun:
    """A build that ran as a flow run of this process.

    Attributes:
        completed: The build.
        flow_run_id: Its run, for a link; None when Prefect could not begin one.
        is_lost: Whether Prefect does not know how it ended, which its lines say.
    """

    completed: Completed
    flow_run_id: str | None
    is_lost: bool


def build_here(request: Request, view: Observer) -> FlowRun:
    """Run a request as a flow run. A Prefect that does not answer costs no build: it says so.

    Raises:
        PipelineError: as `flows.orchestration.complete.complete_build` does.
        KeyboardInterrupt: interrupted before the build began or after it had ended.
    """
    beside = Beside[TaskPool, Completed]()
    ids: list[str] = []

    @flow(flow_run_name=run_name, **OPTIONS)
    def build(
        project: str,
        target: str | None,  # noqa: ARG001 -- shown on Prefect's pages, as the next two
        from_stage: str | None,  # noqa: ARG001
        deadline_s: float | None,  # noqa: ARG001
    ) -> State[Any]:
        """A command line's build."""
        ids.append(str(prefect.runtime.flow_run.id))
        try:
            with TaskPool(request.num_jobs) as pool:
                completed = beside.work_of(pool)
        except PipelineError as error:
            return failed(error)
        except KeyboardInterrupt as interrupt:
            return Cancelled(message=f"interrupted ({str(interrupt) or 'SIGINT'})")
        show_costs(request, completed)
        return state_of_build(project, completed)

    def work(pool: TaskPool | None) -> Completed:
        if pool is None:
            view.noted(f"building without Prefect, which did not begin the run: {beside.lost}")
            return complete_build(request, view)
        observer = Observers((view, TaskObserver(pool)))
        return retrying(lambda: complete_build(request, observer, pool), observer.noted)

    parameters = (request.project, request.target, request.rerun, request.deadline_s)
    completed = beside.run(lambda: build(*parameters, return_state=True), work)
    if beside.lost and ids:
        line = f"Prefect does not know of this build's end: {beside.lost}"
        completed = replace(completed, lines=(*completed.lines, line))
    return FlowRun(completed, ids[0] if ids else None, bool(beside.lost))


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def planned(self, plan: Plan, context: RunContext) -> None:
        for observer in self._observers:
            observer.planned(plan, context)

    def started(self, stage: str) -> None:
        for observer in self._observers:
            observer.started(stage)

    def ended(self, result: StageResult) -> None:
        for observer in self._observers:
            observer.ended(result)

    def noted(self, text: str) -> None:
        for observer in self._observers:
            observer.noted(text)
