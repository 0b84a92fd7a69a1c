"""What a build leaves of itself: `build.json`, and the exit code that it means."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.checkout import Tree, tree
from flows.costs import Cost, total
from flows.stage_run import RunContext, StageResult
from pipeline.core.errors import ArtifactMissing, GateRefused
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import Paths

GATE = "gate"


@dataclass(frozen=True)
class Outcome:
    """How a build went.

    Attributes:
        folder: The build's folder, with `build.json`, records and logs.
        stages: Every stage of the plan, in its order.
        verdict: What the gate wrote; None when this build has no gate or did not reach it.
        spent: What this build cost.
        saved: What the cache saved, of stages whose earlier cost is known.
        num_unknown: How many spared stages have no earlier cost on record.
        exit_code: 0 passed, 3 refused, a failed stage's own, 124 deadline, 130 interrupted.
        currency: Of all money; None when params.yaml has no prices.
        stopped: Why it was stopped, if it was.
    """

    folder: Path
    stages: tuple[StageResult, ...]
    verdict: dict[str, Any] | None
    spent: Cost
    saved: Cost
    num_unknown: int
    exit_code: int
    currency: str | None = None
    stopped: str | None = None

    @property
    def failed(self) -> tuple[StageResult, ...]:
        return tuple(result for result in self.stages if result.state == "failed")

    def reached(self, stage: str) -> bool:
        """Whether this build included the stage, and what the stage wrote is of this state."""
        return _reached(self.stages, stage)


def write_build(
    context: RunContext,
    started: datetime,
    before: Tree,
    target: str | None,
    stages: tuple[StageResult, ...],
    stop: tuple[str, int] | None,
) -> Outcome:
    """Sum a build up and write it to its folder, whole or not at all.

    Args:
        context: The build.
        started: When it began.
        before: What was checked out then; a file that was edited then or is now makes it dirty.
        target: The stage it was to reach.
        stages: How each went.
        stop: Why it was stopped and the exit code of that, if it was.
    """
    spared = [result for result in stages if result.state in ("cached", "restored")]
    verdict = read_verdict(context.root, context.project, stages)
    outcome = Outcome(
        folder=context.folder,
        stages=stages,
        verdict=verdict,
        spent=total(result.cost for result in stages if result.cost),
        saved=total(result.saved for result in spared if result.saved),
        num_unknown=sum(result.saved is None for result in spared),
        exit_code=_exit_code(stages, verdict, stop),
        currency=context.prices.currency if context.prices else None,
        stopped=stop[0] if stop else None,
    )
    write_json(context.folder / "build.json", _as_json(context, started, before, target, outcome))
    return outcome


def read_verdict(
    root: Path, project: str, stages: tuple[StageResult, ...]
) -> dict[str, Any] | None:
    """The gate's verdict, if the gate belongs to these stages and none of its inputs is amiss."""
    if not _reached(stages, GATE):
        return None
    source = Paths(root, project, GATE).output("verdict.json")
    try:
        content = read_json(source)
    except ArtifactMissing:
        return None
    return content if isinstance(content, dict) and "outcome" in content else None


def _reached(stages: tuple[StageResult, ...], name: str) -> bool:
    return any(r.name == name and r.state in ("cached", "restored", "ran") for r in stages)


def _exit_code(
    stages: tuple[StageResult, ...],
    verdict: dict[str, Any] | None,
    stop: tuple[str, int] | None,
) -> int:
    if stop:
        return stop[1]
    for result in stages:
        if result.error:
            return result.error.exit_code
    return 0 if verdict is None or verdict["outcome"] == "pass" else GateRefused.exit_code


def _as_json(
    context: RunContext, started: datetime, before: Tree, target: str | None, outcome: Outcome
) -> dict[str, Any]:
    after = tree(context.root)
    dirty = sorted({*before.dirty_files, *after.dirty_files})
    ended = datetime.now(UTC)
    return {
        "id": context.folder.name,
        "project": context.project,
        "target": target,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": round((ended - started).total_seconds(), 3),
        "commit": before.commit,
        "dirty": bool(dirty) or before.commit != after.commit,
        "dirty_files": dirty,
        "currency": outcome.currency,
        "stages": [asdict(result) for result in outcome.stages],
        "verdict": outcome.verdict["outcome"] if outcome.verdict else None,
        "stopped": outcome.stopped,
        "totals": {
            "spent": outcome.spent.as_json(),
            "saved": outcome.saved.as_json(),
            "num_saved_unknown": outcome.num_unknown,
        },
        "exit_code": outcome.exit_code,
    }
