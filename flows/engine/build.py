"""Build a project: plan, run what is stale, side by side where the graph allows, say what it cost.

Imports no prefect. A caller watches a build through an Observer and may bring its own Pool,
whose `submit` then runs `run_stage` wherever it likes.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from flows.costs.stage_costs import last_success
from flows.engine.build_record import Outcome, write_build
from flows.engine.cache_leftovers import remove_leftovers
from flows.engine.checkout import tree
from flows.engine.dvc_process import Spares
from flows.engine.locks import build_lock, clean_rwlock
from flows.engine.processes import GRACE_S, ProcessGroups, end_leftovers, undisturbed
from flows.engine.proven_run import ProvenRun
from flows.engine.sources import why_not_runnable
from flows.engine.stage_run import RunContext, StageError, StageResult, environment
from flows.graph.plan import Plan, Planner
from flows.graph.reasons import Reason
from pipeline.core.costs.prices import load_prices
from pipeline.core.errors import PipelineError
from pipeline.core.paths import local_state
from pipeline.core.run.machine import of_machine
from pipeline.core.run.termination import terminating
from pipeline.core.settings.project import known_project

EXIT_DEADLINE = 124
EXIT_INTERRUPTED = 130
EXIT_CODES = {"SIGINT": EXIT_INTERRUPTED, "SIGTERM": 143}
_POLL_S = 0.1
NUM_SPARES = 2


@dataclass(frozen=True)
class Request:
    """What to build.

    Attributes:
        root: The checkout.
        project: The project's name.
        target: Build this stage and what it reads from; None for all.
        rerun: Run this stage anew even if it is fresh.
        jobs: How many stages may run side by side; None for one a core.
        deadline_s: End everything after so many seconds; None for never.
        grace_s: How long a stopped stage may take to end before it is killed.
        prepare: Called once the checkout is ours and `target` and `rerun` are known to be stages,
            before anything is planned.
        interruption: What the caller's own handler of SIGTERM raises in this thread; the build
            then leaves signals to it. None: the build handles SIGTERM and SIGINT while it runs.
    """

    root: Path
    project: str
    target: str | None = None
    rerun: str | None = None
    jobs: int | None = None
    deadline_s: float | None = None
    grace_s: float = GRACE_S
    prepare: Callable[[], None] = field(default=lambda: None)
    interruption: type[BaseException] | None = None

    @property
    def num_jobs(self) -> int:
        """How many stages may run side by side, the default worked out."""
        return self.jobs or os.cpu_count() or 1


class Observer(Protocol):
    """Who watches a build. Called from the thread that called `build`."""

    def planned(self, plan: Plan, context: RunContext, /) -> None: ...
    def started(self, stage: str) -> None: ...
    def ended(self, result: StageResult) -> None: ...
    def noted(self, text: str) -> None: ...


class Pool(Protocol):
    """Where stages run: what concurrent.futures calls an executor."""

    def submit(
        self, fn: Callable[..., StageResult], /, *args: Any, **kwargs: Any
    ) -> Future[StageResult]: ...


def build(request: Request, observer: Observer, pool: Pool | None = None) -> Outcome:
    """Build a project; the outcome is also written to `.local/runs/<build id>/build.json`.

    A stage that is refused or fails, a deadline and Ctrl-C are outcomes, not exceptions.

    Raises:
        PipelineError: nothing could be started: unknown project or stage, a graph that does not
            parse, another build at work, what `request.prepare` refuses.
    """
    known_project(request.root, request.project)
    prices = load_prices(request.root)
    local = local_state(request.root)
    signals = terminating() if request.interruption is None else contextlib.nullcontext()
    with (
        signals,
        _cache_kept_whole(request.root, local),
        build_lock(local, request.root, request.project),
    ):
        if ended := end_leftovers(local / "runs", request.grace_s):
            observer.noted(f"ended what a killed build had left running: {', '.join(ended)}")
        clean_rwlock(request.root)
        started = datetime.now(UTC)
        folder = local / "runs" / f"{started:%Y%m%dT%H%M%S%f}-{os.getpid()}"
        groups = ProcessGroups(folder, request.grace_s)
        spares = Spares(
            request.root, environment(folder), folder, min(request.num_jobs, NUM_SPARES)
        )
        context = RunContext(request.root, request.project, folder, groups, spares, prices)
        workers = ThreadPoolExecutor(request.num_jobs)
        try:
            with Planner(request.root, request.project) as planner:
                run = _Build(request, observer, pool or workers, context, planner)
                return run.to_the_end(started)
        finally:
            groups.stop()
            spares.close()
            workers.shutdown(wait=True, cancel_futures=True)
            groups.close()


@contextlib.contextmanager
def _cache_kept_whole(root: Path, local: Path) -> Iterator[None]:
    """Remove what killed builds have left half in the cache, and what this one leaves."""
    remove_leftovers(root, local)
    try:
        yield
    finally:
        with undisturbed(), contextlib.suppress(PipelineError, OSError):
            remove_leftovers(root, local)


class _Build:
    """One build's state while it goes on."""

    def __init__(
        self,
        request: Request,
        observer: Observer,
        pool: Pool,
        context: RunContext,
        planner: Planner,
    ) -> None:
        self.request = request
        self.observer = observer
        self.pool = pool
        self.context = context
        self.planner = planner
        self.proven = ProvenRun(planner.fresh.truth.comparison, planner.dvc_lock)
        self.deadline = time.monotonic() + (request.deadline_s or float("inf"))
        self.results: dict[str, StageResult] = {}
        self.running: dict[Future[StageResult], str] = {}

    def to_the_end(self, started: datetime) -> Outcome:
        plan = self._planned()
        before = tree(self.request.root)
        stop: tuple[str, int] | None = None
        own = self.request.interruption
        interruptions = (KeyboardInterrupt, own) if own else (KeyboardInterrupt,)
        try:
            self.observer.planned(plan, self.context)
            if lost := self.planner.lost(plan):
                self.observer.noted(lost)
            if not self._until_done(plan):
                stop = (f"the deadline of {self.request.deadline_s:g} s passed", EXIT_DEADLINE)
        except interruptions as interrupt:
            stop = _interrupted(interrupt)
        except PipelineError as error:  # while asking DVC whether a stage is fresh
            stop = (f"{type(error).__name__}: {error}", error.exit_code)
        except OSError as error:  # a note that finds no room
            stop = _failed_machine(error)
        if stop:
            with undisturbed():
                self._stopped(plan, stop)
        ordered = tuple(self.results[name] for name in plan.names)
        return write_build(self.context, started, before, self.request.target, ordered, stop)

    def _planned(self) -> Plan:
        """The plan; the names are checked before `prepare` may change a file."""
        target, rerun = self.request.target, self.request.rerun
        if target is not None or rerun is not None:
            self.planner.check_names(target, rerun)
        self.request.prepare()
        return self.planner.plan(target, rerun)

    def _until_done(self, plan: Plan) -> bool:
        """Go on until every stage has a result; False when the deadline passed before."""
        while len(self.results) < len(plan.steps):
            self._start_what_is_ready(plan)
            if time.monotonic() > self.deadline:
                return False
            if not self.running:
                continue
            done, _ = wait(self.running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            for future in done:
                stage = self.running.pop(future)
                self._end(self._with_saving(_result(future, stage)))
        return True

    def _start_what_is_ready(self, plan: Plan) -> None:
        for step in plan.most_awaited_first:
            if step.name in self.results or step.name in self.running.values():
                continue
            states = [self.results[up].state for up in step.upstream if up in self.results]
            if any(state in ("refused", "failed", "skipped") for state in states):
                self._end(StageResult(step.name, "skipped"))
            elif len(states) == len(step.upstream) and len(self.running) < self.request.num_jobs:
                reasons = step.reasons
                if step.status == "waits" and not reasons:
                    reasons = self.planner.reasons(step.name)
                self._start_or_pass(step.name, reasons)

    def _start_or_pass(self, stage: str, reasons: tuple[Reason, ...]) -> None:
        force = stage == self.request.rerun or any(r.kind == "read" for r in reasons)
        texts = tuple(map(str, reasons))
        if error := why_not_runnable(self.planner, reasons):
            self._end(StageResult(stage, "failed", texts, error=error))
        elif texts:
            if damaged := [text for r, text in zip(reasons, texts, strict=True) if _is_false(r)]:
                self.observer.noted(f"{stage}@{self.request.project}: {damaged[0]}: made again")
                self.planner.discard_damaged(stage)
            self.observer.started(stage)
            future = self.pool.submit(self.proven.run, self.context, stage, texts, force)
            self.running[future] = stage
        else:
            self._end(self._with_saving(StageResult(stage, "cached")))

    def _with_saving(self, result: StageResult) -> StageResult:
        if result.state not in ("cached", "restored"):
            return result
        runs, prices = self.context.folder.parent, self.context.prices
        saved = last_success(runs, self.request.project, result.name, prices)
        return replace(result, saved=saved)

    def _end(self, result: StageResult) -> None:
        for text in self.proven.tell():
            self.observer.noted(text)
        if result.state == "ran":
            self.planner.fresh.truth.digests.clear(result.name)
        self.results[result.name] = result
        self.observer.ended(result)

    def _stopped(self, plan: Plan, stop: tuple[str, int]) -> None:
        """End what runs; it failed, and what had not begun is skipped."""
        text, code = stop
        self.observer.noted(f"{text}: ending what runs")
        self.context.groups.stop()
        for future, stage in self.running.items():
            wait([future])
            result = _result(future, stage)
            if result.state == "failed":
                result = replace(result, error=StageError("Stopped", text, code))
            self._end(self._with_saving(result))
        self.running.clear()
        for name in plan.names:
            if name not in self.results:
                self._end(StageResult(name, "skipped"))


def _result(future: Future[StageResult], stage: str) -> StageResult:
    """A stage's result; a pool that could not run it at all counts as its failure."""
    error = future.exception()
    if error is None:
        return future.result()
    if known := of_machine(error):
        told = StageError(type(known).__name__, str(known), known.exit_code)
        return StageResult(stage, "failed", error=told)
    return StageResult(stage, "failed", error=StageError(type(error).__name__, str(error), 1))


def _failed_machine(error: OSError) -> tuple[str, int]:
    """What stops a build that the machine fails."""
    known = of_machine(error)
    if known is None:
        raise error
    return f"{type(known).__name__}: {known}", known.exit_code


def _interrupted(interrupt: BaseException) -> tuple[str, int]:
    """What a signal means for a build. A caller's own interruption stands for SIGTERM."""
    by_us = isinstance(interrupt, KeyboardInterrupt)
    name = (str(interrupt) or "SIGINT") if by_us else "SIGTERM"
    return f"interrupted ({name})", EXIT_CODES.get(name, EXIT_INTERRUPTED)


def _is_false(reason: Reason) -> bool:
    """Whether a stage runs because what lies there is not what it wrote, or may not be."""
    return reason.kind in ("damaged", "read")
