"""What a build leaves of itself: `build.json`, and the exit code that it means."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.costs.stage_costs import Cost, total
from flows.engine.checkout import Tree, tree
from flows.engine.stage_run import RunContext, StageResult
from pipeline.core.errors import ArtifactMissing, GateRefused
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import Paths
from pipeline.core.run.machine import of_machine
from pipeline.core.verdict.override_records import passes

GATE, REHEARSE = "gate", "rehearse"


@dataclass(frozen=True)
class Outcome:
    """How a build went.

    Attributes:
        folder: The build's folder, with `build.json`, records and logs.
        stages: Every stage of the plan, in its order.
        verdict: What the gate wrote; None when this build has no gate or did not reach it.
        rehearsal: What the rehearsal wrote; None when this build has none or did not reach it.
        spent: What this build cost.
        saved: What the cache saved, of stages whose earlier cost is known.
        num_unknown: How many spared stages have no earlier cost on record.
        exit_code: 0 passed, 3 refused by a gate or in the rehearsal, a failed stage's own,
            124 deadline, 130 interrupted.
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
    rehearsal: dict[str, Any] | None = None

    @property
    def failed(self) -> tuple[StageResult, ...]:
        return tuple(result for result in self.stages if result.state == "failed")

    @property
    def refused(self) -> tuple[StageResult, ...]:
        return tuple(result for result in self.stages if result.state == "refused")

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
    rehearsal = read_rehearsal(context.root, context.project, stages)
    outcome = Outcome(
        folder=context.folder,
        stages=stages,
        verdict=verdict,
        spent=total(result.cost for result in stages if result.cost),
        saved=total(result.saved for result in spared if result.saved),
        num_unknown=sum(result.saved is None for result in spared),
        exit_code=_exit_code(stages, (verdict, rehearsal), stop),
        currency=context.prices.currency if context.prices else None,
        stopped=stop[0] if stop else None,
        rehearsal=rehearsal,
    )
    content = _as_json(context, started, before, target, outcome)
    try:
        write_json(context.folder / "build.json", content)
    except OSError as error:
        return _unrecorded(outcome, error)
    return outcome


def _unrecorded(outcome: Outcome, error: OSError) -> Outcome:
    """A build whose record finds no room, say: it is told all the same, and has not gone well."""
    known = of_machine(error)
    if known is None:
        raise error
    text = f"the build's record is not written: {type(known).__name__}: {known}"
    stopped = f"{outcome.stopped}; {text}" if outcome.stopped else text
    return replace(outcome, stopped=stopped, exit_code=outcome.exit_code or known.exit_code)


def read_verdict(
    root: Path, project: str, stages: tuple[StageResult, ...]
) -> dict[str, Any] | None:
    """The gate's verdict, if the gate belongs to these stages and none of its inputs is amiss."""
    return _outcome_of(root, project, stages, GATE, "verdict.json")


def read_rehearsal(
    root: Path, project: str, stages: tuple[StageResult, ...]
) -> dict[str, Any] | None:
    """The rehearsal's report, if it belongs to these stages and none of its inputs is amiss."""
    return _outcome_of(root, project, stages, REHEARSE, "report.json")


def _outcome_of(
    root: Path, project: str, stages: tuple[StageResult, ...], stage: str, name: str
) -> dict[str, Any] | None:
    """A file with the key `outcome`; None when these stages did not make it."""
    if not _reached(stages, stage):
        return None
    source = Paths(root, project, stage).output(name)
    try:
        content = read_json(source)
    except ArtifactMissing:
        return None
    return content if isinstance(content, dict) and "outcome" in content else None


def _reached(stages: tuple[StageResult, ...], name: str) -> bool:
    return any(r.name == name and r.state in ("cached", "restored", "ran") for r in stages)


def _exit_code(
    stages: tuple[StageResult, ...],
    decisions: tuple[dict[str, Any] | None, ...],
    stop: tuple[str, int] | None,
) -> int:
    """A failure counts before a refusal: it is what somebody must look into first."""
    if stop:
        return stop[1]
    for state in ("failed", "refused"):
        for result in stages:
            if result.state == state and result.error:
                return result.error.exit_code
    passed = all(one is None or passes(one["outcome"]) for one in decisions)
    return 0 if passed else GateRefused.exit_code


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
        "rehearsal": outcome.rehearsal["outcome"] if outcome.rehearsal else None,
        "stopped": outcome.stopped,
        "totals": {
            "spent": outcome.spent.as_json(),
            "saved": outcome.saved.as_json(),
            "num_saved_unknown": outcome.num_unknown,
        },
        "exit_code": outcome.exit_code,
    }
