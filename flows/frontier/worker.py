"""A process that builds and measures points, one after another, in a worktree of its own.

`python -m flows.frontier.worker PROJECT` in a worktree: reads an order a line from its standard
input, tells what happens, an event a line, on its standard output. The code is the worktree's.
DVC reads a graph in the main thread alone, which is why points side by side are processes.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.costs.stage_costs import Cost, total
from flows.engine.build import Request, build
from flows.engine.build_record import Outcome
from flows.engine.orphans import terminate_self, when_parent_ends
from flows.engine.stage_run import RunContext, StageResult
from flows.frontier.costs import keep_cost, known_cost
from flows.graph.outputs import locked
from flows.graph.plan import Plan
from flows.settings.project_file import apply, project_file
from pipeline.core.errors import GateRefused, PipelineError, ProjectError
from pipeline.core.files import write_text
from pipeline.core.paths import local_state

Tell = Callable[..., None]
REFUSALS = (ProjectError.__name__, GateRefused.__name__)
"""What a stage says of settings that cannot be: the same settings would give the same answer."""


@dataclass(frozen=True)
class Teller:
    """An observer of a build that tells of its stages."""

    tell: Tell

    def planned(self, plan: Plan, context: RunContext) -> None:
        """Each stage tells of itself."""

    def started(self, stage: str) -> None:
        self.tell(event="started", stage=stage)

    def ended(self, result: StageResult) -> None:
        self.tell(event="stage", stage=result.name, state=result.state)

    def noted(self, text: str) -> None:
        self.tell(event="noted", text=text)


class Worker:
    """Carries out orders in one worktree.

    Args:
        root: The worktree.
        project: The project's name.
        tell: Tells of an event.
        measure: Measures what is built in a checkout.
    """

    def __init__(
        self, root: Path, project: str, tell: Tell, measure: Callable[[Path, str], Any]
    ) -> None:
        self.root = root
        self.project = project
        self.tell = tell
        self.measure = measure
        self._settings = (root / project_file(project)).read_text(encoding="utf-8")

    def carry_out(self, order: Mapping[str, Any]) -> None:
        """Build up to a stage with these assignments; with `measure`, measure what was built.

        Ends with the event `ended`, whatever happens.
        """
        try:
            ended = self._built(order)
        except PipelineError as error:
            ended = {"outcome": "failed", "message": str(error)}
        except KeyboardInterrupt as interrupt:
            ended = {"outcome": "stopped", "message": str(interrupt)}
        self.tell(event="ended", **ended)

    def _built(self, order: Mapping[str, Any]) -> dict[str, Any]:
        request = Request(
            root=self.root,
            project=self.project,
            target=order["target"],
            jobs=1,
            deadline_s=order.get("deadline_s"),
            prepare=lambda: self._prepare(tuple(order["assignments"])),
        )
        outcome = build(request, Teller(self.tell))
        stages = [{"name": stage.name, "state": stage.state} for stage in outcome.stages]
        ended: dict[str, Any] = {"stages": stages, "cost": self._cost(outcome, order["counted"])}
        if outcome.stopped:
            return {**ended, "outcome": "stopped", "message": outcome.stopped}
        if bad := (*outcome.refused, *outcome.failed):
            error = bad[0].error
            outcome_name = "refused" if error and error.kind in REFUSALS else "failed"
            message = f"{bad[0].name}: {error.message if error else ''}"
            return {**ended, "outcome": outcome_name, "message": message}
        if not order["measure"]:
            return {**ended, "outcome": "built"}
        self.tell(event="started", stage="measure")
        return {**ended, "outcome": "measured", "content": self.measure(self.root, self.project)}

    def _prepare(self, assignments: Sequence[str]) -> None:
        """The project's file as the checkout has it, with the point's changes."""
        write_text(self.root / project_file(self.project), self._settings)
        apply(self.root, self.project, tuple(assignments))

    def _cost(self, outcome: Outcome, counted: Sequence[str]) -> dict[str, Any] | None:
        """What these stages cost when they ran; None when one's cost is not on record."""
        local = local_state(self.root)
        entries = locked(self.root, self.project, counted)
        costs: list[Cost] = []
        for result in outcome.stages:
            if result.name not in counted or result.name not in entries:
                continue
            entry = entries[result.name]
            cost = result.cost if result.state == "ran" else None
            if cost is not None:
                keep_cost(local, self.project, result.name, entry, cost)
            else:
                cost = known_cost(local, self.project, result.name, entry)
            if cost is None:
                return None
            costs.append(cost)
        return total(costs).as_json() if costs else None


def main(project: str) -> None:
    """Carry out orders until there are no more, or the process that gives them has ended."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what anything prints is no event

    def tell(**event: Any) -> None:
        channel.write(json.dumps(event) + "\n")
        channel.flush()

    from flows.frontier.measure import measure

    worker = Worker(Path.cwd(), project, tell, measure)
    with when_parent_ends(terminate_self):
        for line in sys.stdin:
            worker.carry_out(json.loads(line))


if __name__ == "__main__":
    main(sys.argv[1])
