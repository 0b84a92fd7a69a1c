"""Run one stage through DVC, in a process of its own, and say how it went."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flows.costs.stage_costs import Cost, cost_of
from flows.engine.dvc_process import DVC_LOG, Spares
from flows.engine.processes import RUN_DIR, ProcessGroups
from pipeline.core.costs.prices import Prices
from pipeline.core.errors import GateRefused, MachineError
from pipeline.core.run.machine import of_machine, of_text
from pipeline.core.run.runner import EXIT_BUG, read_record
from pipeline.core.run.signals import SIGNALLED, killed
from pipeline.core.settings.graph_file import stage_address

State = Literal["cached", "restored", "ran", "refused", "failed", "skipped"]

NUM_LOG_LINES = 12
PREFECT_SECRETS = ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_KEY")
"""What only processes that speak with the server that means them have in their environment."""
TELEMETRY_OFF = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


@dataclass(frozen=True)
class StageError:
    """Why a stage was refused or failed.

    Attributes:
        kind: The class of its error; `Killed`, `NoRecord` or `DvcFailed` when it could not say, and
            MachineError also where its log shows that the machine failed DVC or the stage.
        message: What a person is told.
        exit_code: The stage's own, of which DVC makes 255; 128 + N when signal N ended it.
    """

    kind: str
    message: str
    exit_code: int


@dataclass(frozen=True)
class StageResult:
    """How one stage went.

    Attributes:
        name: The stage's name without its project.
        state: cached (not touched), restored (from DVC's run-cache), ran, refused (by a gate,
            which is no failure), failed, or skipped (something upstream was refused or failed,
            or the build was stopped).
        reasons: Why it was not fresh, as text.
        cost: What the run used; None when it did not run or left no record.
        saved: What its newest real run had used, when the cache spared one; None when unknown.
        error: Set when it was refused or failed.
    """

    name: str
    state: State
    reasons: tuple[str, ...] = ()
    cost: Cost | None = None
    saved: Cost | None = None
    error: StageError | None = None


@dataclass(frozen=True)
class RunContext:
    """What all stages of one build share.

    Attributes:
        root: The checkout.
        project: The project's name.
        folder: The build's folder, `.local/runs/<build id>`.
        groups: Its running processes.
        spares: Where it takes DVC processes from.
        prices: What an hour costs, if params.yaml says it.
    """

    root: Path
    project: str
    folder: Path
    groups: ProcessGroups
    spares: Spares
    prices: Prices | None

    def log(self, stage: str) -> Path:
        return self.folder / f"{stage}@{self.project}.log"

    def record(self, stage: str) -> Path:
        return self.folder / f"{stage}@{self.project}.json"


def run_stage(
    context: RunContext, stage: str, reasons: tuple[str, ...] = (), force: bool = False
) -> StageResult:
    """Run one stage whose inputs are ready. Blocks; safe in any thread.

    Args:
        context: The build.
        stage: The stage's name without its project.
        reasons: Why it runs; handed on.
        force: Run it although DVC finds it fresh or in its run-cache.
    """
    arguments = ["--wait-for-lock", "repro", "--single-item"]
    if force:
        arguments.append("--force")
    arguments.append(stage_address(context.root, context.project, stage))
    log = context.log(stage)
    try:
        code = context.groups.run(stage, lambda: context.spares.take(arguments, log))
    except OSError as refused:  # no process, no room for the note of it
        return StageResult(stage, "failed", reasons, error=_not_started(refused))
    if code is None:
        return StageResult(stage, "skipped", reasons)
    record = read_record(context.record(stage))
    cost = cost_of(record, context.prices)
    if code == 0:
        return StageResult(stage, "ran" if record else "restored", reasons, cost)
    error = explain(code, record, log)
    state: State = "refused" if error.kind == GateRefused.__name__ else "failed"
    return StageResult(stage, state, reasons, cost, error=error)


def environment(folder: Path) -> dict[str, str]:
    """The environment of a stage: ours, its records' folder, this Python first, no telemetry."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return {
        **inherited,
        **TELEMETRY_OFF,
        RUN_DIR: str(folder),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "PYTHONUNBUFFERED": "1",
    }


def explain(code: int, record: Mapping[str, Any], log: Path) -> StageError:
    """What went wrong, from the stage's record or, where that says nothing, from its log."""
    failure = record.get("error")
    if isinstance(failure, Mapping) and record.get("exit_code"):
        kind, message = str(failure.get("class")), str(failure.get("message"))
        return StageError(kind, message, int(record["exit_code"]))
    lines = last_lines(log) or last_lines(log.parent / DVC_LOG)
    text = "\n".join(lines)
    shown = "\n".join(f"  | {line}" for line in lines) or "  | (the log is empty)"
    cause = of_text(text) or (None if lines else _refusal(log.parent))
    if number := -code if code < 0 else ending_signal(text):
        return _killed(number, cause, shown)
    if cause:
        what = (
            "DVC failed, after the stage had ended well"
            if record
            else "it left no record of its end"
        )
        message = f"{cause}\n  {what}; the last lines of its log:\n{shown}"
        return StageError(MachineError.__name__, message, cause.exit_code)
    if record:
        message = f"the stage ended well, DVC then failed; its last lines:\n{shown}"
        return StageError("DvcFailed", message, EXIT_BUG)
    message = f"the stage left no record of its end; its last lines:\n{shown}"
    return StageError("NoRecord", message, EXIT_BUG)


def _killed(number: int, cause: MachineError | None, shown: str) -> StageError:
    """What a signal ended; why, as far as the log says it."""
    error = killed("the stage", number)
    hint = cause.hint if cause else error.hint
    known = f"; its log shows why: {cause.message}" if cause else ""
    message = f"{error.message}{known}\n  hint: {hint}\n  its last lines:\n{shown}"
    return StageError("Killed", message, SIGNALLED + number)


def _not_started(error: OSError) -> StageError:
    known = of_machine(error)
    if known is None:
        raise error
    return StageError(MachineError.__name__, str(known), known.exit_code)


def _refusal(folder: Path) -> MachineError | None:
    """Why nothing could be written to a folder whose log is empty; None when something can."""
    probe = folder / ".probe"
    try:
        probe.write_bytes(b"0" * 65_536)
    except OSError as error:
        return of_machine(error)
    finally:
        probe.unlink(missing_ok=True)
    return None


def ending_signal(text: str) -> int:
    """The signal that ended a stage's command, from DVC's words; 0 when none did.

    DVC tells of -9 when its shell became the command, of 137 when the shell waited for it.
    """
    found = re.findall(r"^ERROR: .*exited with (-?\d+)$", text, re.MULTILINE)
    code = int(found[-1]) if found else 0
    return -code if code < 0 else code - SIGNALLED if SIGNALLED < code <= SIGNALLED + 64 else 0


def last_lines(log: Path, num_lines: int = NUM_LOG_LINES) -> list[str]:
    """The last lines of a log that say something; a progress line counts by its last state."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 16_384))
            text = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in plain.split("\n"))
    return [line for line in lines if line][-num_lines:]
