"""Run one stage: load its settings, call its `run`, and leave a record of how it went.

The record (outcome, error, cost) goes to the folder that HALLMARK_RUN_DIR names, or to a new
one under `.local/runs/`: DVC turns every failure into one exit code, and a stage's output may
hold no clock, so this is where both are found.
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.core.errors import MAX_FINDINGS, PipelineError, ProjectError
from pipeline.core.files import write_json
from pipeline.core.paths import READING_ORDER, Paths, local_state
from pipeline.core.run import energy
from pipeline.core.run.declared import remember_code
from pipeline.core.run.failures import PANIC, bug, debugging
from pipeline.core.run.machine import of_machine
from pipeline.core.run.processor import gpu_used, peak_memory_bytes, processor_s
from pipeline.core.run.signals import end_in_words_when_out_of_time
from pipeline.core.run.told import GPU, told
from pipeline.core.settings.graph_file import GRAPH, check_graph
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.project import load_project

USAGE = "usage: python -m pipeline STAGE PROJECT"
EXIT_BUG = 1
EXIT_INTERRUPTED = 130
METERED_AFTER_S = {"train": 0.0}
"""When codecarbon starts to count a stage's energy: of a training at once, as its forecast needs
the power; of other stages when they have run for a while."""
LATER_S = 8.0


def main(arguments: Sequence[str]) -> int:
    """Run the stage that the command line names in the current folder; return its exit code."""
    if len(arguments) != 2:
        print(USAGE, file=sys.stderr)
        return ProjectError.exit_code
    stage, project = arguments
    root = Path.cwd()
    started, clock = datetime.now(UTC), time.perf_counter()
    end_in_words_when_out_of_time()
    with energy.counting(METERED_AFTER_S.get(stage, LATER_S)) as meter:
        code, failure = _attempted(root, stage, project, started)
        used, noted = cost(time.perf_counter() - clock, *meter.close()), told()
    if stage in READING_ORDER:
        record = {
            "stage": stage,
            "project": project,
            "exit_code": code,
            "error": failure,
            "started": started.isoformat(timespec="seconds"),
            "cost": {**used, **noted.pop(GPU, {})},
            **noted,
        }
        code = _recorded(record_folder(root, started) / f"{stage}@{project}.json", record)
    return code


def _attempted(
    root: Path, stage: str, project: str, started: datetime
) -> tuple[int, dict[str, Any] | None]:
    """Run the stage; its exit code, and what went wrong, which is said on standard error."""
    failure: dict[str, Any]
    try:
        run_stage(root, stage, project)
    except KeyboardInterrupt:
        failure = {"class": "Interrupted", "message": f"{stage}@{project} was interrupted"}
        print(failure["message"], file=sys.stderr)
        return EXIT_INTERRUPTED, failure
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        folder = record_folder(root, started)
        code, failure = explained(error, folder / f"{stage}@{project}.traceback.txt")
        if debugging():
            traceback.print_exc()
        print(f"{stage}@{project}: {failure['class']}: {failure['message']}", file=sys.stderr)
        return code, failure
    return 0, None


def explained(error: BaseException, target: Path) -> tuple[int, dict[str, Any]]:
    """What an error means: exit code, class and text. A bug's traceback is written to `target`."""
    known = error if isinstance(error, PipelineError) else of_machine(error)
    if known is not None:
        rest = {"findings": known.findings} if len(known.findings) > MAX_FINDINGS else {}
        return known.exit_code, {"class": type(known).__name__, "message": str(known), **rest}
    return EXIT_BUG, {
        "class": type(error).__name__,
        "message": bug(error, target),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _recorded(target: Path, record: dict[str, Any]) -> int:
    """Write a run's record; return its exit code, or the machine's that has no room for it."""
    try:
        write_json(target, record)
    except OSError as error:
        refused = of_machine(error)
        if refused is None:
            raise
        print(f"{target.stem}: the run's record is not written: {refused}", file=sys.stderr)
        return int(record["exit_code"]) or refused.exit_code
    return int(record["exit_code"])


def run_stage(root: Path, stage: str, project: str) -> None:
    """Run one stage in this process, in the repository at `root`.

    Raises:
        PipelineError: what the stage refuses, or a bad configuration.
    """
    if stage not in READING_ORDER:
        raise ProjectError(f"expected a stage, got {stage!r}", hint=nearest(stage, READING_ORDER))
    module = importlib.import_module(f"pipeline.{stage}.stage")
    models = getattr(module, "MODELS", None)
    loaded = load_project(root, project, stage, module.Settings, module.SECTIONS, models)
    is_in_graph = (root / GRAPH).is_file()
    if is_in_graph:
        check_graph(root, project, loaded.modality)
    module.run(loaded, Paths(root=root, project=project, stage=stage))
    if is_in_graph:
        remember_code(root, stage, project, loaded.modality)


def record_folder(root: Path, started: datetime) -> Path:
    """Where this run's records go: the build's folder, or one of its own under plain DVC."""
    if folder := os.environ.get("HALLMARK_RUN_DIR"):
        return Path(folder)
    return local_state(root) / "runs" / f"{started:%Y%m%dT%H%M%S}-{os.getpid()}"


def cost(wall_s: float, energy_kwh: float, energy_source: str) -> dict[str, Any]:
    """What this process and its children have used: seconds, bytes (of the largest of them),
    energy, and a GPU's peak memory where torch used one."""
    return {
        "wall_s": round(wall_s, 3),
        "cpu_s": round(processor_s(), 3),
        "peak_memory_bytes": peak_memory_bytes(),
        "energy_kwh": float(f"{energy_kwh:.4g}"),
        "energy_source": energy_source,
        "device": "cpu",
        **gpu_used(),
    }


def read_record(source: Path) -> dict[str, Any]:
    """A stage's record; empty when the stage was killed before it could leave one."""
    try:
        record: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return {}
    return record
