"""The Prefect flow `build`: one task a stage, states, logs and artifacts on Prefect's pages.

The engine does the work, as it does without Prefect. `build` is the flow of deployments, with a
form for its parameters; `flows.orchestration.build_here` runs a command line's request.
"""

import os
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import prefect.runtime.flow_run
from prefect import flow
from prefect._internal.control_listener import get_intent
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Crashed, Failed

from flows.costs import cost_page
from flows.engine.build import Request
from flows.engine.checkout import find_root
from flows.engine.orphans import terminate_self, when_parent_ends
from flows.engine.retries import retrying
from flows.engine.worktree import commit_changes
from flows.orchestration import artifacts
from flows.orchestration.complete import Completed, complete_build
from flows.orchestration.dead_runs import ENDED, WORKER_GONE
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
        worker, gone = os.getppid(), threading.Event()

        def stop() -> None:
            gone.set()
            terminate_self()

        with when_parent_ends(stop):
            completed = _run(request)
    except PipelineError as error:
        return failed(error)
    state = state_of_build(form.project, completed)
    if state.is_cancelled() and gone.is_set():
        return Crashed(message=WORKER_GONE.format(pid=worker))
    if state.is_cancelled() and get_intent() is None:
        return Crashed(message=ENDED)
    if state.is_cancelled():
        raise TerminationSignal(signal.SIGTERM)  # from its worker, which knows what it means
    return state


def failed(error: PipelineError) -> State[Any]:
    """The state of a run that could not begin: our words first."""
    get_run_logger().error(str(error))
    return Failed(message=f"{error}", name="Failed")


def _run(request: Request) -> Completed:
    with TaskPool(request.num_jobs) as pool:
        observer = TaskObserver(pool)
        completed = retrying(lambda: complete_build(request, observer, pool), observer.noted)
    show_costs(request, completed)
    return completed


def show_costs(request: Request, completed: Completed) -> None:
    """What the build cost, on Prefect's pages."""
    logger = get_run_logger()
    with quietly(logger, "the costs are not shown"):
        artifacts.publish(request.project, cost_sheet(request.project, completed.outcome))
        page = cost_page.write(request.root)
        artifacts.publish_page(request.project, "costs", page, "what all builds cost and saved")
    for line in completed.lines:
        logger.info(line)


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
