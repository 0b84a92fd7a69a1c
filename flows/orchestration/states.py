"""How stages and builds are named on Prefect's pages.

| what happened | state | type |
|---|---|---|
| nothing to do | Cached | Completed |
| DVC had its result | Restored | Completed |
| it ran | Completed | Completed |
| a gate refused | Refused | Failed |
| it failed | Failed | Failed |
| it was ended with its build | Cancelled | Cancelled |
| something before it did not end well | Skipped | Cancelled |
"""

from collections import Counter
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from flows.engine.build import EXIT_CODES, EXIT_DEADLINE
from flows.engine.build_record import Outcome
from flows.engine.stage_run import StageResult
from flows.engine.summary import refusal, rehearsal_lines, verdict_lines
from flows.orchestration.complete import Completed as CompletedBuild
from pipeline.core.errors import GateRefused
from pipeline.core.verdict.override_records import passes

REFUSED = "Refused"


def state_of_stage(result: StageResult, is_stopping: bool = False) -> State[Any]:
    """The state that a stage's task ends in.

    Args:
        result: How the stage went.
        is_stopping: Whether its build was being stopped then: what fails was ended by us.
    """
    reasons = "; ".join(result.reasons) or None
    if result.state == "cached":
        return Completed(name="Cached", message="code, data, parameters and packages are the same")
    if result.state == "restored":
        return Completed(name="Restored", message=reasons)
    if result.state == "skipped":
        return Cancelled(name="Skipped", message="what it waits for did not end well")
    if result.error is None:
        return Completed(message=reasons)
    if result.error.kind == GateRefused.__name__:
        return Failed(name=REFUSED, message=result.error.message)
    if is_stopping:
        return Cancelled(message="ended with its build")
    return Failed(message=f"{result.error.kind}: {result.error.message}")


def state_of_build(project: str, completed: CompletedBuild) -> State[Any]:
    """The state that a flow run ends in; what went wrong is the first thing that it says."""
    outcome = completed.outcome
    data = {"exit_code": completed.exit_code, "build": outcome.folder.name}
    if completed.exit_code == 0:
        return Completed(message=_all_well(outcome), data=data)
    if outcome.stopped and completed.exit_code == EXIT_DEADLINE:
        return Failed(name="TimedOut", message=outcome.stopped, data=data)
    if outcome.stopped and completed.exit_code in EXIT_CODES.values():
        return Cancelled(message=outcome.stopped, data=data)
    if completed.exit_code == GateRefused.exit_code:
        return Failed(name=REFUSED, message="\n".join(refusals(project, outcome)), data=data)
    told = [f"{r.name}: {r.error.kind}: {r.error.message}" for r in outcome.failed if r.error]
    if outcome.stopped:
        told.append(outcome.stopped)
    return Failed(message="\n".join(told) or f"exit code {completed.exit_code}", data=data)


def refusals(project: str, outcome: Outcome) -> list[str]:
    """Why a build was refused: by the gate, by a stage after it, or in the rehearsal."""
    lines: list[str] = []
    if outcome.verdict and not passes(outcome.verdict["outcome"]):
        lines += verdict_lines(outcome.verdict)
    for result in outcome.refused:
        lines += refusal(project, result)
    if outcome.rehearsal and outcome.rehearsal["outcome"] != "pass":
        lines += rehearsal_lines(outcome.rehearsal)
    return lines


def _all_well(outcome: Outcome) -> str:
    counts = Counter(result.state for result in outcome.stages)
    text = ", ".join(f"{number} {state}" for state, number in counts.items())
    return "; ".join([*verdict_lines(outcome.verdict)[:1], f"stages: {text}"])
