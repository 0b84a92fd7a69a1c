"""The Prefect flow `frontier`: a task for each point, and what came of it on Prefect's pages.

A point is built by its worker process, as without Prefect; Prefect is only told.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any

import prefect
import prefect.runtime.flow_run
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.frontier.drive import Drawn, Wish, complete
from flows.frontier.page import gap_text
from flows.frontier.points import Point, Refused
from flows.frontier.records import Ended
from flows.frontier.result import Frontier
from flows.frontier.tracing import Observer
from flows.orchestration import artifacts
from flows.orchestration.beside import Beside
from flows.orchestration.build import OPTIONS, failed, run_name
from flows.orchestration.report_sheets import Sheet
from flows.orchestration.tasks import quiet_task, quietly
from pipeline.core.errors import PipelineError

NAME = "frontier"


def frontier_here(wish: Wish, view: Observer) -> tuple[Drawn, str | None]:
    """Make a frontier as a flow run, in this process; also the run's id, None without a run. A
    Prefect that does not answer costs no frontier: its lines say so.

    Raises:
        PipelineError: as `flows.frontier.drive.complete` does.
        KeyboardInterrupt: interrupted before anything was measured.
    """
    beside = Beside[PointPool, Drawn]()
    ids: list[str] = []
    request = wish.request

    @flow(flow_run_name=run_name, **{**OPTIONS, "name": NAME})
    def frontier(
        project: str,  # noqa: ARG001 -- shown on Prefect's pages, as the next two
        quality: str,  # noqa: ARG001
        budget_s: float,  # noqa: ARG001
        jobs: int,
    ) -> State[Any]:
        """A command line's frontier."""
        ids.append(str(prefect.runtime.flow_run.id))
        try:
            with PointPool(jobs) as pool:
                drawn = beside.work_of(pool)
        except PipelineError as error:
            return failed(error)
        except KeyboardInterrupt as interrupt:
            return Cancelled(message=f"interrupted ({str(interrupt) or 'SIGINT'})")
        with quietly(get_run_logger(), "the frontier is not shown"):
            publish(drawn)
        return state_of(drawn.frontier)

    def work(pool: PointPool | None) -> Drawn:
        if pool is None:
            view.noted(f"tracing without Prefect, which did not begin the run: {beside.lost}")
            return complete(wish, view)
        return complete(wish, Told(view), pool)

    parameters = (request.project, wish.quality, request.budget_s, request.jobs)
    drawn = beside.run(lambda: frontier(*parameters, return_state=True), work)
    if beside.lost and ids:
        line = f"Prefect does not know of this frontier's end: {beside.lost}"
        drawn = replace(drawn, lines=(*drawn.lines, line))
    return drawn, ids[0] if ids else None


def state_of(found: Frontier) -> State[Any]:
    """The state that the flow run ends in."""
    message = found.choice.sentence
    if found.traced.interrupted:
        return Cancelled(message=f"interrupted ({found.traced.interrupted}); {message}")
    if found.choice.chosen is None and any(point.rules for point in found.measured):
        return Failed(name="NonePasses", message=message)
    return Completed(message=message)


def publish(drawn: Drawn) -> None:
    """The points as a table, the choice as text, the page as a link."""
    found = drawn.frontier
    rows: list[dict[str, Any]] = []
    for point in found.measured:
        gap = point.gap
        rows.append(
            {
                "point": point.name,
                found.quality: round(point.quality.value, 4),
                "worst gap": gap_text(gap.span.value, gap.is_share) if gap else "",
                "at most": gap_text(gap.span.high, gap.is_share) if gap else "",
                "gate": point.outcome if point.rules else "",
                "front": "yes" if point in found.front else "",
                "chosen": "yes" if point is found.choice.chosen else "",
                "cost": found.cost_text(point.name),
            }
        )
    about = f"{found.project}: {found.quality} and worst gap on validation rows"
    artifacts.publish(found.project, Sheet(NAME, about, rows))
    settings = "\n".join(f"- `{one}`" for one in found.chosen_assignments or ())
    text = f"{found.choice.sentence}\n\n{settings}"
    artifacts.publish(found.project, Sheet("frontier choice", "which point was chosen", text))
    artifacts.publish_page(found.project, NAME, drawn.page, "quality against the worst gap")


class PointPool:
    """Runs points as tasks of the current flow run, in threads that wait for worker processes.

    Use it as a context: at its end all tasks have ended.

    Args:
        num: How many points may run side by side.
    """

    def __init__(self, num: int) -> None:
        self._runner = ThreadPoolTaskRunner[Any](max_workers=num + 1)

    def __enter__(self) -> "PointPool":
        self._runner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.__exit__(kind, error, trace)

    def submit(self, point: Point, work: Callable[[], Ended]) -> Future[Ended]:
        """Run a point as a task; the future resolves when the point has ended."""
        answer: Future[Ended] = Future()
        found: list[Ended] = []

        def run() -> State[Any]:
            found.append(work())
            answer.set_result(found[0])
            return state_of_point(found[0])

        def ended(task: PrefectFuture[Any]) -> None:
            if answer.done():
                return
            try:
                task.wait()
                message = task.state.message or f"the task ended in {task.state.name}"
                answer.set_result(Ended(point, "failed", message=message))
            except BaseException as error:
                answer.set_exception(error)

        task = self._runner.submit(quiet_task(point.name, run), {})
        task.add_done_callback(ended)
        return answer

    def mark(self, ended: Ended) -> None:
        """A task for a point that nothing ran for."""
        task: Any = quiet_task(ended.point.name, lambda: state_of_point(ended))
        task(return_state=True)


def state_of_point(ended: Ended) -> State[Any]:
    """The state that a point's task ends in."""
    names = {"on record": "Cached", "restored": "Restored"}
    if ended.outcome == "measured":
        assignments = ", ".join(ended.point.assignments) or "as project.yaml has it"
        return Completed(name=names.get(ended.origin, "Completed"), message=assignments)
    if ended.outcome in ("refused", "failed"):
        return Failed(name=ended.outcome.capitalize(), message=ended.message)
    return Cancelled(
        name="Skipped" if ended.outcome == "skipped" else "Cancelled", message=ended.message
    )


class Told:
    """Hands a frontier on to another observer, and tells the flow run's log."""

    def __init__(self, view: Observer) -> None:
        self._view = view
        self._logger = get_run_logger()

    def planned(self, points: Sequence[Point], refused: Sequence[Refused]) -> None:
        self._view.planned(points, refused)
        for one in refused:
            self._logger.info("left out: %s: %s", one.name, one.why)

    def started(self, name: str) -> None:
        self._view.started(name)

    def at(self, name: str, stage: str) -> None:
        self._view.at(name, stage)

    def ended(self, ended: Ended) -> None:
        self._view.ended(ended)
        self._logger.info("%s: %s", ended.point.name, ended.origin or ended.message)

    def noted(self, text: str) -> None:
        self._view.noted(text)
        self._logger.warning(text)
