"""A frontier: several settings of one project, each built and measured on validation rows.

One graph, and DVC's run-cache: a point is a set of overrides, built up to `calibrate` in a git
worktree. What was built before is restored, and the build of the chosen point restores what the
frontier built. Measurements are kept under `.local/frontier/<project>/`, by what they depend on.

Imports no prefect: a caller may bring a Pool whose `submit` runs each point wherever it likes.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from flows.costs.stage_costs import Cost
from flows.engine.processes import undisturbed
from flows.engine.worktree import snapshot
from flows.frontier.costs import folder_of
from flows.frontier.points import TARGET, Candidate, Point, Refused, points_of
from flows.frontier.records import Ended, Records, fingerprint
from flows.frontier.slots import PROGRAM, Event, Slots
from pipeline.core.costs.prices import load_prices
from pipeline.core.errors import ProjectError
from pipeline.core.paths import local_state
from pipeline.core.run.termination import terminating
from pipeline.core.settings.project import known_project

COMMON = "split"
"""What all points share is built up to this stage first, once."""
COUNTED = ("balance", "train", "calibrate")
"""The stages that a point's cost is made of: those that differ from point to point."""
GRACE = 0.1
"""A point that was begun in time may take so much of the budget more, then it is ended."""


@dataclass(frozen=True)
class Request:
    """Which frontier to make.

    Attributes:
        root: The checkout.
        project: The project's name.
        candidates: Its candidates, most informative first.
        as_it_is: Whether the project's own settings are a point as well.
        budget_s: How long building and measuring may take.
        jobs: How many points side by side; each takes one core.
        common: What to build first, once.
        target: What each point is built up to.
        counted: The stages that a point's cost is made of.
        program: What Python runs as a worker.
    """

    root: Path
    project: str
    candidates: tuple[Candidate, ...]
    as_it_is: bool = True
    budget_s: float = 600.0
    jobs: int = 2
    common: str = COMMON
    target: str = TARGET
    counted: tuple[str, ...] = COUNTED
    program: tuple[str, ...] = field(default=PROGRAM, repr=False)


class Observer(Protocol):
    """Who watches a frontier. Called from the thread that called `trace`, but for `at`."""

    def planned(self, points: Sequence[Point], refused: Sequence[Refused], /) -> None: ...
    def started(self, name: str) -> None: ...
    def at(self, name: str, stage: str) -> None: ...
    def ended(self, ended: Ended) -> None: ...
    def noted(self, text: str) -> None: ...


class Pool(Protocol):
    """Where points are built."""

    def submit(self, point: Point, work: Callable[[], Ended]) -> Future[Ended]: ...
    def mark(self, ended: Ended) -> None: ...


class Threads:
    """The pool of a frontier without Prefect: the threads wait for worker processes."""

    def __init__(self, num: int) -> None:
        self._executor = ThreadPoolExecutor(num)

    def submit(self, point: Point, work: Callable[[], Ended]) -> Future[Ended]:
        del point
        return self._executor.submit(work)

    def mark(self, ended: Ended) -> None:
        """Nobody else is told."""


@dataclass(frozen=True)
class Traced:
    """A frontier's points, as they ended.

    Attributes:
        ended: Every point, in the candidates' order.
        refused: The candidates that the project's settings refuse, and why.
        wall_s: How long it took.
        interrupted: What ended it early, if anything did.
    """

    ended: tuple[Ended, ...]
    refused: tuple[Refused, ...]
    wall_s: float
    interrupted: str | None = None


def trace(request: Request, observer: Observer, pool: Pool | None = None) -> Traced:
    """Build and measure the points that the budget allows; what is on record costs nothing.

    Ctrl-C keeps what is done; every measured point is on record at once.

    Raises:
        PipelineError: an unknown project, settings that are refused, no candidate that is a point.
    """
    known_project(request.root, request.project)
    began = time.monotonic()
    points, refused = points_of(request.root, request.project, request.candidates, request.as_it_is)
    if not points:
        raise ProjectError(
            "expected a candidate that the project's settings allow, found none",
            findings=[f"{one.name}: {one.why}" for one in refused],
        )
    observer.planned(points, refused)
    commit = snapshot(request.root)
    folder = folder_of(local_state(request.root), request.project)
    records = Records(folder, fingerprint(request.root, request.project, commit))
    with terminating():
        run = _Trace(request, observer, pool or Threads(request.jobs), records, points)
        interrupted = run.to_the_end(commit)
    return Traced(run.in_order, tuple(refused), time.monotonic() - began, interrupted)


class _Trace:
    """A frontier's state while it goes on."""

    def __init__(
        self,
        request: Request,
        observer: Observer,
        pool: Pool,
        records: Records,
        points: Sequence[Point],
    ) -> None:
        self.request = request
        self.observer = observer
        self.pool = pool
        self.records = records
        self.points = points
        self.prices = load_prices(request.root)
        self.ended: dict[str, Ended] = {}
        self.running: dict[Future[Ended], Point] = {}
        self.pace = records.pace()
        self.until = time.monotonic() + request.budget_s

    @property
    def in_order(self) -> tuple[Ended, ...]:
        return tuple(self.ended[point.name] for point in self.points)

    def to_the_end(self, commit: str) -> str | None:
        """Every point has ended then; returns what ended it early, if anything did."""
        for point in self.points:
            if known := self.records.read(point):
                self._settle(known)
        waiting = deque(point for point in self.points if point.name not in self.ended)
        if not waiting:
            return None
        num = min(self.request.jobs, len(waiting))
        request = self.request
        stop: str | None = None
        try:
            with Slots(
                request.root, request.project, num, commit, self.records.folder, request.program
            ) as slots:
                try:
                    self._common(slots)
                    self._until_done(slots, waiting)
                except KeyboardInterrupt as interrupt:
                    stop = str(interrupt) or "SIGINT"
                    with undisturbed():
                        self._stopped(slots)
        except KeyboardInterrupt as interrupt:
            stop = str(interrupt) or "SIGINT"
        for point in self.points:
            if point.name not in self.ended:
                self._end(Ended(point, "skipped", message="the frontier was stopped before"))
        return stop

    def _common(self, slots: Slots) -> None:
        """Build what all points share, so that two workers do not both do it."""
        order = self._order(Point("common", "", (), 1, {}), self.request.common, measure=False)
        event = slots.carry_out(order, lambda event: self._told("common stages", event))
        if event["outcome"] == "stopped":
            raise KeyboardInterrupt
        if event["outcome"] in ("refused", "failed"):
            raise ProjectError(
                f"expected the stages up to {self.request.common} to be built, for all points: "
                f"{event['message']}",
                hint=f"`hallmark build {self.request.project} {self.request.common}`",
            )

    def _until_done(self, slots: Slots, waiting: deque[Point]) -> None:
        while waiting or self.running:
            while waiting and len(self.running) < slots.num:
                self._begin_or_skip(slots, waiting.popleft())
            if self.running:
                self._collect()

    def _begin_or_skip(self, slots: Slots, point: Point) -> None:
        left = self.until - time.monotonic()
        expected = self.pace.expected_s(point)
        if left <= 0 or (expected is not None and expected > left):
            about = "" if expected is None else f", it takes about {expected:.0f} s"
            message = f"not begun: {max(left, 0):.0f} s of the budget are left{about}"
            self._settle(Ended(point, "skipped", message=message))
            return
        self.observer.started(point.name)
        deadline_s = left + GRACE * self.request.budget_s
        order = self._order(point, self.request.target, deadline_s=deadline_s)
        future = self.pool.submit(point, lambda: self._built(slots, point, order))
        self.running[future] = point

    def _order(self, point: Point, target: str, **more: Any) -> dict[str, Any]:
        return {
            "target": target,
            "assignments": list(point.assignments),
            "counted": list(self.request.counted),
            "measure": True,
            **more,
        }

    def _built(self, slots: Slots, point: Point, order: dict[str, Any]) -> Ended:
        """Blocks until the point has ended; in a thread of the pool."""
        began = time.monotonic()
        event = slots.carry_out(order, lambda event: self._told(point.name, event))
        ended = Ended.of(point, event, time.monotonic() - began)
        cost = ended.cost
        if cost and self.prices:
            ended = replace(ended, cost=_priced(cost, self.prices.of(cost.device, cost.wall_s)))
        if ended.is_lasting:
            self.records.write(ended)
        return ended

    def _told(self, name: str, event: Event) -> None:
        if event["event"] == "started":
            self.observer.at(name, event["stage"])

    def _collect(self) -> None:
        done, _ = wait(self.running, timeout=0.2, return_when=FIRST_COMPLETED)
        for future in done:
            point = self.running.pop(future)
            error = future.exception()
            ended = (
                future.result()
                if error is None
                else Ended(point, "failed", message=f"{type(error).__name__}: {error}")
            )
            self._end(ended)

    def _settle(self, ended: Ended) -> None:
        """The end of a point that nothing ran for."""
        self.pool.mark(ended)
        self._end(ended)

    def _end(self, ended: Ended) -> None:
        self.ended[ended.point.name] = ended
        self.pace.learn(ended)
        self.observer.ended(ended)

    def _stopped(self, slots: Slots) -> None:
        self.observer.noted("stopping: what is measured is kept")
        slots.stop()
        while self.running:
            self._collect()


def _priced(cost: Cost, money: float | None) -> Cost:
    return replace(cost, money=money)
