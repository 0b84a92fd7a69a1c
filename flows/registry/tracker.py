"""Watches a build and logs it: from its first moment where tracking answers, whole at its end.

What goes on while the build runs (mlflow's import, the curves of a training) does so in a thread.
A tracking that does not answer is no failure of a build: it is said, and `hallmark track` logs
the build later from what `.local/runs/<build>/tracking.json` names.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

from flows.engine.build import Observer
from flows.engine.stage_run import RunContext, StageResult
from flows.graph.plan import Plan
from flows.registry import tracked_build
from flows.registry.tracked_build import CURVES, TRAIN, TrackedBuild
from flows.registry.unregistered import is_unregistered, put_bento_back
from flows.tracking.address import TrackingDown, patience_s, ui_command
from flows.tracking.content import curve_points
from flows.tracking.store import Store
from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.paths import Paths

SWITCH = "HALLMARK_TRACKING"
_POLL_S = 1.0

Signature = tuple[int, int] | None


def is_on() -> bool:
    """Whether builds are tracked: always, but with HALLMARK_TRACKING=off."""
    return os.environ.get(SWITCH, "on").lower() != "off"


class Tracker:
    """Hands a build on to another observer, and tracks it.

    Args:
        observer: Who watches the build besides.
        root: The checkout.
        project: The project's name.
    """

    def __init__(self, observer: Observer, root: Path, project: str) -> None:
        self._observer = observer
        self._root = root
        self._project = project
        self._tracked: TrackedBuild | None = None
        self._waiting: set[str] = set()
        self._reached: list[str] = []
        self._live: _Live | None = None
        self._build = ""
        self._put_back: list[str] = []

    def planned(self, plan: Plan, context: RunContext) -> None:
        self._observer.planned(plan, context)
        self._waiting = set(plan.names)
        self._build = context.folder.name
        if plan.is_fresh:
            return
        self._tracked = tracked_build.opened(self._root, self._project, self._build)
        tracked_build.write(self._root, self._tracked)
        self._live = _Live(self._root, self._tracked)

    def started(self, stage: str) -> None:
        if stage == TRAIN and self._live:
            self._live.training_begins()
        self._observer.started(stage)

    def ended(self, result: StageResult) -> None:
        self._observer.ended(result)
        if result.name == TRAIN and self._live:
            self._live.training_ends()
        self._waiting.discard(result.name)
        if result.state in tracked_build.REACHED:
            self._reached.append(result.name)
        if self._waiting:  # the checkout is ours until the last one's end
            return
        self._put_back = self._of_lost_bentos()
        if self._tracked is None and self._is_unregistered():
            self._tracked = tracked_build.opened(self._root, self._project, self._build)
        if self._tracked:
            self._tracked = tracked_build.ended(self._root, self._tracked, tuple(self._reached))
            tracked_build.write(self._root, self._tracked)

    def noted(self, text: str) -> None:
        self._observer.noted(text)

    def _is_unregistered(self) -> bool:
        """Whether a build that ran nothing stands for a version that is not registered, as in a
        fresh clone; one that waits for MLflow is not begun twice."""
        if tracked_build.due(self._root, self._project):
            return False
        with contextlib.suppress(PipelineError):  # a damaged record, of which people are told
            return is_unregistered(self._root, self._project, self._reached)
        return False

    def _of_lost_bentos(self) -> list[str]:
        """Put the bento that this build has back where a registered version has lost it."""
        with contextlib.suppress(PipelineError):
            return put_bento_back(self._root, self._project, self._reached)
        return []

    @property
    def is_logged(self) -> bool:
        """Whether MLflow has just been told of the build."""
        if self._tracked is None:
            return False
        found = tracked_build.read(self._root, self._tracked.build)
        return found is not None and found.state == "logged"

    def close(self) -> None:
        """The build has ended, or could not start: end the thread."""
        if self._live:
            self._live.close()
            self._live = None

    def log(self) -> list[str]:
        """Log the build that has ended; return what people are told."""
        self.close()
        if self._tracked is None:
            return [*self._put_back, *due_lines(self._root, self._project)]
        return [
            *self._put_back,
            *log_patiently(self._root, self._tracked),
            *self._of_killed_builds(),
        ]

    def _of_killed_builds(self) -> list[str]:
        """Give the runs of builds that were killed their true state."""
        killed = [t for t in tracked_build.due(self._root, self._project) if t.state == "open"]
        store = Store(self._root, self._project, limit_s=0)
        with contextlib.suppress(Exception):  # it is tried again by the next build
            return [
                line for one in killed for line in tracked_build.log(self._root, one, store).lines
            ]
        return []


def log_patiently(root: Path, tracked: TrackedBuild) -> list[str]:
    """Log a build; when that fails, say so and how it is done later. Nothing is lost."""
    limit_s = patience_s()
    try:
        logged = tracked_build.log(root, tracked, Store(root, tracked.project, limit_s))
    except Exception as error:  # whatever is wrong with tracking, the build itself has ended well
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, TrackingDown):
            why = f"tracking did not answer within {limit_s:g} s: {why}"
        return [
            f"not tracked: {why}",
            f"  nothing is lost: `hallmark track {tracked.project}` logs build {tracked.build}",
        ]
    return [*logged.lines, f"runs: `{ui_command(root)}`"]


def track_builds(root: Path, project: str, build: str | None) -> tuple[list[str], bool]:
    """Log one build, or all that are due; also whether all of them are logged now.

    Raises:
        ProjectError: there is nothing to log of such a build.
    """
    if build is None:
        builds = tracked_build.due(root, project)
        if not builds:
            return [f"every build of {project} is tracked: `{ui_command(root)}`"], True
    else:
        found = tracked_build.read(root, build)
        if found is None or found.project != project:
            raise ProjectError(
                f"expected a build of {project} that ran something, got {build!r}",
                hint="`ls .local/runs` lists the builds",
            )
        if not found.is_due:
            done = f"run {found.run_id}" if found.run_id else "it goes on"
            return [f"build {build}: nothing to do, {done}"], True
        builds = [found]
    lines = [line for one in builds for line in log_patiently(root, one)]
    left = [read for one in builds if (read := tracked_build.read(root, one.build)) and read.is_due]
    return lines, not left


def due_lines(root: Path, project: str) -> list[str]:
    """A reminder of builds that are not logged yet."""
    num_due = len(tracked_build.due(root, project))
    if not num_due:
        return []
    builds = "1 build is" if num_due == 1 else f"{num_due} builds are"
    return [f"{builds} not tracked yet: `hallmark track {project}`"]


class _Live:
    """The thread that tells MLflow of a build while it runs."""

    def __init__(self, root: Path, tracked: TrackedBuild) -> None:
        self._root = root
        self._tracked = tracked
        self._source = Paths(root, tracked.project, TRAIN).output(CURVES)
        self._guard = threading.Lock()
        self._before: Signature = None
        self._is_training = False
        self._size = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tracking", daemon=True)
        self._thread.start()

    def training_begins(self) -> None:
        with self._guard:
            self._before, self._is_training, self._size = self._signature(), True, 0

    def training_ends(self) -> None:
        with self._guard:
            self._is_training = False

    def close(self) -> None:
        self._done.set()
        self._thread.join()

    def _follow(self) -> None:
        """Begin the run as soon as tracking answers, then log what a training adds to its curves.

        Each call is tried once; what failed is tried again a little later.
        """
        run: str | None = None
        last_epoch = 0
        while not self._done.wait(_POLL_S if run else 0.0):
            store = Store(self._root, self._tracked.project, limit_s=0)
            try:
                run = run or tracked_build.begin(store, self._tracked)
                points = curve_points(self._new_text(), last_epoch, int(time.time() * 1000))
                store.log_points(run, points)
                last_epoch = points[-1].step if points else last_epoch
            except TrackingDown:
                self._done.wait(_POLL_S)
            except Exception:
                return

    def _new_text(self) -> str:
        """The curves of the training at work; empty until its file has been seen to grow.

        A file that DVC restores appears whole and never grows: nobody was trained then.
        """
        with self._guard:
            signature = self._signature()
            if not self._is_training or signature is None or signature == self._before:
                return ""
            try:
                text = self._source.read_text(encoding="utf-8")
            except FileNotFoundError:
                return ""
            has_grown = 0 < self._size < len(text)
            self._size = self._size if has_grown else len(text)
            return text if has_grown else ""

    def _signature(self) -> Signature:
        try:
            stat = self._source.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns
