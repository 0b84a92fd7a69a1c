"""A build and what belongs to it: what it needs beforehand, and what becomes of its result.

The command line and the Prefect flow both build through here, so that they cannot drift apart.
"""

from dataclasses import dataclass

from flows.build_record import Outcome
from flows.engine import Observer, Pool, Request, build


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
    """Build a project to its end.

    Raises:
        PipelineError: as `flows.engine.build` does, when nothing could be started.
    """
    return Completed(build(request, observer, pool))
