"""A build's stages as Prefect tasks: a pool that runs them, and an observer that tells of them.

Each stage becomes one task of its name, with the edges of dvc.yaml; what it prints becomes the
task's log while it runs. A stage's process belongs to the engine; Prefect is only told.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from types import TracebackType
from typing import Any
from uuid import UUID

import prefect
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateDetails
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.engine.stage_run import RunContext, StageError, StageResult
from flows.graph.plan import Plan
from flows.orchestration import artifacts
from flows.orchestration.log_lines import LogLines, every
from flows.orchestration.report_sheets import sheet_of
from flows.orchestration.states import state_of_stage

TRAIN = "train"
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


class TaskPool:
    """Runs stages as tasks of the current flow run, in threads, and remembers which they are.

    Use it as a context: at its end all tasks have ended and all artifacts are made.

    Args:
        num_jobs: How many stages may run side by side.
    """

    def __init__(self, num_jobs: int) -> None:
        self._runner = ThreadPoolTaskRunner[Any](max_workers=num_jobs + 1)
        self._reporter = ThreadPoolExecutor(1)  # artifacts keep no stage waiting
        self._upstream: dict[str, tuple[str, ...]] = {}
        self._runs: dict[str, UUID] = {}

    def __enter__(self) -> "TaskPool":
        self._runner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.__exit__(kind, error, trace)
        self._reporter.shutdown(wait=True)

    def know(self, plan: Plan) -> None:
        """Learn the edges."""
        self._upstream = {step.name: step.upstream for step in plan.steps}

    def submit(
        self, fn: Callable[..., StageResult], /, *args: Any, **kwargs: Any
    ) -> Future[StageResult]:
        """Run `fn(context, stage, …)` as the task of that stage.

        The future resolves when the stage has ended, whether Prefect knows of it or not.
        """
        context, stage, *_ = args
        answer: Future[StageResult] = Future()
        found: list[StageResult] = []

        def work() -> State[Any]:
            with ExitStack() as stack:
                _follow(stack, context, stage)
                found.append(fn(*args, **kwargs))
                answer.set_result(found[0])
            self.report(context, stage, found[0])
            return state_of_stage(found[0], context.groups.is_stopping)

        def ended(task: PrefectFuture[Any]) -> None:
            if answer.done():
                return
            try:
                task.wait()
                answer.set_result(_not_run(stage, task.state))
            except BaseException as error:
                answer.set_exception(error)

        submit: Any = self._runner.submit  # typed for futures, it takes states as well
        task = submit(quiet_task(stage, work), {}, wait_for=self._before(stage))
        self._runs[stage] = task.task_run_id
        task.add_done_callback(ended)
        return answer

    def mark(self, result: StageResult, context: RunContext) -> None:
        """A task for a stage that had nothing to run."""
        if result.name in self._runs:
            return

        def work() -> State[Any]:
            self.report(context, result.name, result)
            return state_of_stage(result)

        task: Any = quiet_task(result.name, work)
        before = self._before(result.name)
        state = task(return_state=True, wait_for=before)
        self._runs[result.name] = state.state_details.task_run_id

    def report(self, context: RunContext, stage: str, result: StageResult) -> None:
        """Show what the stage wrote, after this, in a thread of its own."""
        if result.state not in ("cached", "restored", "ran"):
            return
        logger = get_run_logger()

        def show() -> None:
            with quietly(logger, f"the report of {stage} is not shown"):
                if sheet := sheet_of(context.root, context.project, stage):
                    artifacts.publish(context.project, sheet)
                if sheet and stage == "report":
                    artifacts.publish_link(context.root, context.project)

        self._reporter.submit(copy_context().run, show)

    def _before(self, stage: str) -> list[State[Any]]:
        """The edges to a stage.

        Its upstream stages have ended, well or not: the engine waited for them. Prefect would not
        begin a task after one that did not end well, so each is named in a state that did.
        """
        ups = [up for up in self._upstream.get(stage, ()) if up in self._runs]
        return [
            Completed(data=up, state_details=StateDetails(task_run_id=self._runs[up])) for up in ups
        ]


class TaskObserver:
    """Tells the flow run of a build."""

    def __init__(self, pool: TaskPool) -> None:
        self._pool = pool
        self._context: RunContext | None = None
        self._logger = get_run_logger()

    def planned(self, plan: Plan, context: RunContext) -> None:
        self._pool.know(plan)
        self._context = context
        num_fresh = sum(step.status == "fresh" for step in plan.steps)
        self._logger.info("%s: %d of %d stages are fresh", plan.project, num_fresh, len(plan.steps))

    def started(self, stage: str) -> None:
        """Its task tells."""

    def ended(self, result: StageResult) -> None:
        if self._context:
            self._pool.mark(result, self._context)

    def noted(self, text: str) -> None:
        self._logger.warning(text)


@contextmanager
def quietly(logger: Logger, otherwise: str) -> Iterator[None]:
    """What Prefect does not take, or what cannot be read, is logged and ends nothing."""
    try:
        yield
    except Exception as error:
        logger.warning("%s: %s: %s", otherwise, type(error).__name__, error)


def quiet_task(stage: str, work: Callable[[], State[Any]]) -> prefect.Task[..., Any]:
    return prefect.Task(
        work,
        name=stage,
        task_run_name=stage,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=1,  # none happens: without a condition Prefect logs a refusal as a crash
        retry_condition_fn=_never,
    )


def _never(_task: Any, _run: Any, _state: Any) -> bool:
    return False


def _follow(stack: ExitStack, context: RunContext, stage: str) -> None:
    """Until the stack ends: hand the stage's output on, and show how far training is."""
    logger = get_run_logger()
    lines = LogLines(context.log(stage))

    def log(has_ended: bool) -> None:
        for line in lines.new(has_ended):
            logger.info(line)

    stack.enter_context(every(log))
    if stage == TRAIN:
        with quietly(logger, "training's progress is not shown"):
            shown = artifacts.ProgressArtifact(context.project).show
            epochs = artifacts.max_epochs(context.root, context.project)
            progress = artifacts.TrainingProgress(context.root, context.project, epochs, shown)
            inside = copy_context()

            def look(has_ended: bool) -> None:
                with quietly(logger, "training's progress is not shown"):
                    inside.run(progress.look, has_ended)

            stack.enter_context(every(look, seconds=1.0))


def _not_run(stage: str, state: State[Any]) -> StageResult:
    """Prefect ended the task before the stage could run."""
    error = StageError("PrefectFailed", state.message or f"the task ended in {state.name}", 1)
    return StageResult(stage, "failed", error=error)
