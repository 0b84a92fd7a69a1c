"""What is to be logged of a build, and its logging: at once, or later when tracking was down.

`.local/runs/<build>/tracking.json` names every output by digest, so that a build can be logged
when the workspace has long moved on. Logging is done in steps that may be repeated: what is there
already is found again.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psutil

from flows.engine.processes import is_same_process
from flows.graph.digests import digests_of
from flows.graph.outputs import Outputs, cache_folder, locked
from flows.registry.registration import (
    PACKAGE,
    Evidence,
    register,
    why_no_model,
    why_not_registered,
)
from flows.registry.shown_tags import override_tags
from flows.settings.project_file import modality_of, project_file
from flows.tracking import content
from flows.tracking.store import Point, Store
from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import write_json, write_text
from pipeline.core.paths import local_state
from pipeline.core.run.runner import read_record
from pipeline.core.settings.graph_file import LOCK, graph_folder

FILE = "tracking.json"
TRAIN, CURVES, BENTO = "train", "curves.jsonl", "bento"
REACHED = ("cached", "restored", "ran")
UNKNOWN = "no run that is known here"
CURVE_METRIC = content.CURVE + "validation_loss"

State = Literal["open", "pending", "logged", "killed"]


@dataclass(frozen=True)
class TrackedBuild:
    """What is to be logged of a build, beside its build.json.

    Attributes:
        build: The build's id.
        project: The project's name.
        state: open while it runs, pending when it has ended, then logged; or killed.
        modality: Of the project's data.
        project_yaml: The project's file, as the build found it.
        digests: SHA-256 of dvc.lock and requirements.lock.
        entries: What dvc.lock says of the project's stages; empty while it is open.
        pid: The build's process.
        create_time: That process's, as its number may be given anew.
        run_id: Its run, once it is logged.
    """

    build: str
    project: str
    state: State
    modality: str
    project_yaml: str
    digests: Mapping[str, str]
    entries: Mapping[str, Any]
    pid: int
    create_time: float
    run_id: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether it has ended and is not logged."""
        if self.state == "open":
            return not is_same_process(self.pid, self.create_time)
        return self.state == "pending"


@dataclass(frozen=True)
class Logged:
    """A build that is logged: its run, and what people are told."""

    run_id: str
    lines: tuple[str, ...]


def opened(root: Path, project: str, build: str) -> TrackedBuild:
    """Begin the record of a build that goes on in this process."""
    own = psutil.Process()
    return TrackedBuild(
        build=build,
        project=project,
        state="open",
        modality=modality_of(root, project),
        project_yaml=(root / project_file(project)).read_text(encoding="utf-8"),
        digests={},
        entries={},
        pid=own.pid,
        create_time=own.create_time(),
    )


def ended(root: Path, tracked: TrackedBuild, stages: tuple[str, ...]) -> TrackedBuild:
    """The record of a build whose stages have ended, while the checkout is still its own."""
    lock = root / graph_folder(root, tracked.project) / LOCK
    sources = {"dvc_lock": lock, "requirements_lock": root / "requirements.lock"}
    digests = {
        name: hashlib.sha256(source.read_bytes()).hexdigest()
        for name, source in sources.items()
        if source.is_file()
    }
    entries = locked(root, tracked.project, stages) if "dvc_lock" in digests else {}
    return replace(tracked, state="pending", digests=digests, entries=entries)


def write(root: Path, tracked: TrackedBuild) -> None:
    write_json(local_state(root) / "runs" / tracked.build / FILE, asdict(tracked))


def read(root: Path, build: str) -> TrackedBuild | None:
    """The record of a build; None when it has none, as one that found all fresh."""
    found: Any = read_record(local_state(root) / "runs" / build / FILE)
    try:
        return TrackedBuild(**found) if found else None
    except TypeError:
        return None  # written by another version


def due(root: Path, project: str) -> list[TrackedBuild]:
    """The builds of a project that are to be logged still, the oldest first."""
    sources = sorted((local_state(root) / "runs").glob(f"*/{FILE}"))
    found = [read(root, source.parent.name) for source in sources]
    return [t for t in found if t is not None and t.project == project and t.is_due]


def base_tags(tracked: TrackedBuild) -> dict[str, str]:
    """What a run is known by from its first moment."""
    return {
        "build": tracked.build,
        "project": tracked.project,
        "mlflow.source.name": f"hallmark build {tracked.project}",
        "mlflow.source.type": "LOCAL",
    }


def begin(store: Store, tracked: TrackedBuild) -> str:
    """The run of a build, with its parameters; made when there is none."""
    started = datetime.strptime(tracked.build[:15] + "+0000", "%Y%m%dT%H%M%S%z")
    run = store.run(tracked.build, tracked.build, _milliseconds(started), base_tags(tracked))
    store.log_parameters(run, content.parameters(tracked.project_yaml, tracked.modality))
    return run


def log(root: Path, tracked: TrackedBuild, store: Store) -> Logged:
    """Log a build that has ended, and register what it made.

    Raises:
        TrackingDown: the store is out of reach; the build stays due.
        ArtifactMissing: an output is neither in DVC's cache nor in the workspace.
    """
    folder = local_state(root) / "runs" / tracked.build
    build = read_record(folder / "build.json")
    run = begin(store, tracked)
    if not build:
        store.end_run(run, "KILLED", _milliseconds(datetime.now().astimezone()))
        write(root, replace(tracked, state="killed", run_id=run))
        why = "it was killed, or the disk was full"
        line = f"tracked: build {tracked.build} left no record of its end ({why}), its run says so"
        return Logged(run, (line,))
    reached = {s["name"] for s in build["stages"] if s["state"] in REACHED}
    entries = {name: entry for name, entry in tracked.entries.items() if name in reached}
    digests = digests_of(root, tracked.project)
    outputs = Outputs(root, tracked.project, entries, cache_folder(root), digests)
    evidence = Evidence(build, outputs)
    end = datetime.fromisoformat(build["started"]) + timedelta(seconds=build["wall_s"])
    end_ms = _milliseconds(end)
    store.log_points(run, [Point(0, content.metrics(outputs), end_ms)])
    store.log_inputs(run, content.data_sets(outputs))
    _log_curves(store, run, evidence, end_ms)
    with tempfile.TemporaryDirectory() as temporary:
        files = Path(temporary)
        content.write_reports(outputs, files)
        write_text(files / "project.yaml", tracked.project_yaml)
        write_json(files / "build.json", build)
        store.log_files(run, files)
    original = _original(store, run, evidence)
    model_lines, model_tags = _log_model(root, store, run, evidence)
    digests.keep()
    notes = tuple(f"trained by {original}" for _ in range(original is not None))
    store.log_tags(
        run,
        {
            **_tags(tracked, evidence),
            **({"original_run": original.removeprefix("run ")} if original else {}),
            **model_tags,
            "mlflow.note.content": content.summary(evidence.verdict, (*notes, *model_lines)),
        },
    )
    store.end_run(run, _status(build), end_ms)
    write(root, replace(tracked, state="logged", run_id=run))
    lines = [f"tracked: {store.link(run)}"]
    if original:
        lines.append(f"  its model was trained by {original}")
    return Logged(run, (*lines, *model_lines))


def _log_curves(store: Store, run: str, evidence: Evidence, end_ms: int) -> None:
    """Log the epochs that are not logged yet, of a training that ran in this build."""
    if evidence.ran(TRAIN) and evidence.outputs.has(TRAIN, CURVES):
        text = evidence.outputs.file(TRAIN, CURVES).read_text(encoding="utf-8")
        after = store.last_step(run, CURVE_METRIC)
        store.log_points(run, content.curve_points(text, after, end_ms))


def _original(store: Store, run: str, evidence: Evidence) -> str | None:
    """`run …`, which trained the model that this build took from a cache, or that none is known
    here; None when the build trained it, or has no model."""
    digest = evidence.outputs.digest_of(TRAIN)
    if digest is None or evidence.ran(TRAIN):
        return None
    found = store.runs({"train_digest": digest, "trained": "true"})
    return next((f"run {other}" for other in found if other != run), UNKNOWN)


def _log_model(
    root: Path, store: Store, run: str, evidence: Evidence
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Log and register the packaged model, or say why not: lines for people, and tags."""
    project = evidence.outputs.project
    if reason := why_no_model(evidence):
        return (f"not registered: {reason}",), {"model": f"none: {reason}"}
    refusal = why_not_registered(root, evidence)
    report = evidence.package or {}
    tags = {"bento_digest": report["digest"], "model_digest": report["model_digest"]}
    if refusal and not evidence.ran(PACKAGE):
        return (f"not registered: {refusal}",), {**tags, "model": "that of an earlier run"}
    from flows.tracking.logged_model import model_files

    with tempfile.TemporaryDirectory() as temporary:
        packed = Path(temporary) / BENTO
        evidence.outputs.copy(PACKAGE, BENTO, packed)
        if (found := bento.digest(packed)) != report["digest"]:
            raise ArtifactMissing(
                f"expected the bento that package reported, {report['digest'][:12]}, "
                f"found {found[:12]}",
                hint=f"`hallmark build {project} --from package`",
            )
        address = store.tags(run).get("model", "")
        if not address.startswith("models:"):
            address = store.log_model(run, model_files(packed, report["requirements"]))
            store.log_tags(run, {"model": address})
        tags["model"] = address
        if refusal:
            return (f"not registered: {refusal}",), tags
        version, lines = register(root, evidence, packed, address, run, store)
    next_step = f"`hallmark promote {project}` makes version {version.version} the champion"
    if version.dirty_files:
        next_step = f"`git commit`, then `hallmark build {project}`"
    return (*lines, f"next: {next_step}"), {**tags, "registered_version": version.version}


def _tags(tracked: TrackedBuild, evidence: Evidence) -> dict[str, str]:
    build, outputs = evidence.build, evidence.outputs
    spent = build["totals"]["spent"]
    profile = outputs.json("ingest", "profile.json") or {}
    rehearsal = evidence.rehearsal
    found = {
        **base_tags(tracked),
        "mlflow.source.git.commit": build["commit"],
        "commit": build["commit"] or "none",
        "dirty": str(build["dirty"]).lower(),
        "dvc_lock_digest": tracked.digests.get("dvc_lock"),
        "requirements_lock_digest": tracked.digests.get("requirements_lock"),
        "data_digest": profile.get("sha256"),
        "verdict": build["verdict"] or "none",
        "rehearsal": rehearsal["outcome"] if rehearsal else "none",
        "train_digest": outputs.digest_of(TRAIN),
        "trained": str(evidence.ran(TRAIN)).lower(),
        "cost_wall_s": spent["wall_s"],
        "cost_cpu_s": spent["cpu_s"],
        "cost_money": spent["money"],
        "cost_currency": build["currency"],
        "build_wall_s": build["wall_s"],
        "exit_code": build["exit_code"],
        "restored": str(evidence.num_ran == 0).lower(),
        **override_tags((evidence.verdict or {}).get("overrides", ())),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _status(build: Mapping[str, Any]) -> str:
    """MLflow's word for a build's end. A refusal is an end as it should be."""
    if build["stopped"]:
        return "KILLED"
    return "FINISHED" if build["exit_code"] in (0, 3) else "FAILED"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
