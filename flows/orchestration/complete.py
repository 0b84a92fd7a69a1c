"""A build and what belongs to it: what it needs beforehand, and what becomes of its result.

The command line and the Prefect flow both build through here, so that they cannot drift apart.
"""

import contextlib
from dataclasses import dataclass, replace

from flows.engine.build import Observer, Pool, Request, build
from flows.engine.build_record import Outcome
from pipeline.core.errors import ArtifactMissing


@dataclass(frozen=True)
class Completed:
    """A build to its end.

    Attributes:
        outcome: How its stages went.
        lines: What else people are told, in order.
    """

    outcome: Outcome
    lines: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return self.outcome.exit_code


def complete_build(request: Request, observer: Observer, pool: Pool | None = None) -> Completed:
    """Build a project to its end: the live champion's files and the overrides that still hold
    beforehand, afterwards its run in MLflow and, when verdict and rehearsal pass, a registered
    version.

    Tracking that is down is no failure of a build; its lines say how it is logged later.

    Raises:
        PipelineError: as `flows.engine.build.build` does, when nothing could be started.
    """
    from flows.registry.champion_files import write_champion
    from flows.registry.overrides import remove_expired
    from flows.registry.promotion import settle
    from flows.registry.tracker import Tracker, is_on

    told: list[str] = []

    def prepare() -> None:
        request.prepare()
        told.extend(write_champion(request.root, request.project))
        told.extend(remove_expired(request.root, request.project))

    prepared = replace(request, prepare=prepare)
    if not is_on():
        outcome = build(prepared, observer, pool)
        told.append("not tracked and not registered: HALLMARK_TRACKING=off")
        return Completed(outcome, tuple(told))
    tracker = Tracker(observer, request.root, request.project)
    try:
        outcome = build(prepared, tracker, pool)
    finally:
        tracker.close()
    told.extend(tracker.log())
    if tracker.is_logged:
        with contextlib.suppress(ArtifactMissing):  # of the champion: told before
            settle(request.root, request.project, told.append)
    return Completed(outcome, tuple(told))
