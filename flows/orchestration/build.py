"""The Prefect flow `build`: one task a stage, states, logs and artifacts on Prefect's pages.

The engine does the work, as it does without Prefect. `build` is the flow of deployments, with a
form for its parameters; `build_here` runs a command line's request as a flow run.
"""

import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import prefect.runtime.flow_run
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Failed

from flows.costs import cost_page
from flows.engine.build import Observer, Request
from flows.engine.checkout import find_root
from flows.engine.orphans import terminate_self, when_parent_ends
from flows.engine.retries import retrying
from flows.engine.stage_run import RunContext, StageResult
from flows.engine.worktree import commit_changes
from flows.graph.plan import Plan
from flows.orchestration import artifacts
from flows.orchestration.complete import Completed, complete_build
from flows.orchestration.form import field, read_form
from flows.orchestration.report_sheets import cost_sheet
from flows.orchestration.states import state_of_build
from flows.orchestration.tasks import TaskObserver, TaskPool, quietly
from flows.settings.project_file import apply, check_project
from pipeline.core.errors import PipelineError

NAME = "build"
OPTIONS: dict[str, Any] = {
    "name": NAME,
    "validate_parameters": False,  # we do, and name the field
    "persist_result": False,
    "retries": 0,  # `retrying` knows what heals
}


def run_name() -> str:
    """`adult, 24 Nov 07:30`: a project has many runs."""
    project = prefect.runtime.flow_run.parameters.get("project", "?")
    return f"{project}, {datetime.now(UTC).astimezone():%d %b %H:%M}"


@flow(flow_run_name=run_name, **OPTIONS)
def build(
    project: Annotated[str, field("project")],
    from_stage: Annotated[str | None, field("from_stage")] = None,
    mitigation_strength: Annotated[float | None, field("mitigation_strength")] = None,
    max_epochs: Annotated[int | None, field("max_epochs")] = None,
    learning_rate: Annotated[float | None, field("learning_rate")] = None,
    deadline_s: Annotated[float | None, field("deadline_s")] = None,
) -> State[Any]:
    """Bring a project up to date: run what is stale, decide, report.

    An empty field leaves things as project.yaml has them. Runs in the checkout of the current
    folder. A build that a gate refuses ends in Refused and is not tried again.
    """
    given = {
        "project": project,
        "from_stage": from_stage,
        "mitigation_strength": mitigation_strength,
        "max_epochs": max_epochs,
        "learning_rate": learning_rate,
        "deadline_s": deadline_s,
    }
    try:
        form = read_form(given)
        root = find_root(Path.cwd())
        request = Request(
            root=root,
            project=form.project,
            rerun=form.from_stage,
            deadline_s=form.deadline_s,
            prepare=lambda: _prepare(root, form.project, form.assignments),
            interruption=TerminationSignal,
        )
        with when_parent_ends(terminate_self):
            completed = _run(request, ())
    except PipelineError as error:
        return failed(error)
    state = state_of_build(form.project, completed)
    if state.is_cancelled():
        raise TerminationSignal(signal.SIGTERM)  # Prefect knows who sent it, and what it meant
    return state


@dataclass
class FlowRun:
    """A build that ran as a flow run of this process.

    Attributes:
        completed: The build.
        flow_run_id: Its run, for a link.
    """

    completed: Completed
    flow_run_id: str


def build_here(request: Request, view: Observer) -> FlowRun:
    """Run a request as a flow run, in this process and thread.

    Raises:
        PipelineError: as `flows.orchestration.complete.complete_build` does.
        KeyboardInterrupt: interrupted before the build began or after it had ended.
    """
    ended: list[Completed] = []
    refused: list[PipelineError] = []
    ids: list[str] = []

    @flow(flow_run_name=run_name, **OPTIONS)
    def build(
        project: str, target: str | None, from_stage: str | None, deadline_s: float | None
    ) -> State[Any]:
        """A command line's build."""
        ids.append(str(prefect.runtime.flow_run.id))
        shown = replace(
            request, project=project, target=target, rerun=from_stage, deadline_s=deadline_s
        )
        try:
            ended.append(_run(shown, (view,)))
        except PipelineError as error:
            refused.append(error)
            return failed(error)
        except KeyboardInterrupt as interrupt:
            return Cancelled(message=f"interrupted ({str(interrupt) or 'SIGINT'})")
        return state_of_build(project, ended[0])

    parameters = (request.project, request.target, request.rerun, request.deadline_s)
    try:
        state = build(*parameters, return_state=True)
    except Exception as error:  # a server that went away: the build itself is done
        if not ended:
            raise
        line = f"Prefect does not know of this build's end: {type(error).__name__}: {error}"
        return FlowRun(replace(ended[0], lines=(*ended[0].lines, line)), ids[0])
    if refused:
        raise refused[0]
    if not ended:
        if state.is_cancelled():
            raise KeyboardInterrupt((state.message or "").partition("(")[2].rstrip(")"))
        state.result(raise_on_failure=True)  # a bug of ours, with its traceback
    return FlowRun(ended[0], ids[0])


def failed(error: PipelineError) -> State[Any]:
    """The state of a run that could not begin: our words first."""
    get_run_logger().error(str(error))
    return Failed(message=f"{error}", name="Failed")


def _run(request: Request, views: tuple[Observer, ...]) -> Completed:
    logger = get_run_logger()
    with TaskPool(request.num_jobs) as pool:
        observer = Observers((*views, TaskObserver(pool)))
        completed = retrying(lambda: complete_build(request, observer, pool), observer.noted)
    with quietly(logger, "the costs are not shown"):
        artifacts.publish(request.project, cost_sheet(request.project, completed.outcome))
        page = cost_page.write(request.root)
        artifacts.publish_page(request.project, "costs", page, "what all builds cost and saved")
    for line in completed.lines:
        logger.info(line)
    return completed


def _prepare(root: Path, project: str, assignments: tuple[str, ...]) -> None:
    """Write the overrides; in a run's own worktree they are committed, so that it stays clean."""
    logger = get_run_logger()
    if not assignments:
        check_project(root, project)
        return
    changes = apply(root, project, assignments)
    for change in changes:
        logger.info("project.yaml: %s", change)
    commit_changes(root, "Overrides of a run: " + ", ".join(map(str, changes)))


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
