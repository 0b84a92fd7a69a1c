"""A small real model with a real bento, its build as evidence, and MLflow's tables made once."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from flows.graph.outputs import Outputs
from flows.registry.registration import Evidence, register
from flows.registry.versions import Version
from flows.tracking.store import Store
from pipeline.core.bento import folder as bento
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import READING_ORDER, Paths, folder_name

PROJECT = "people"
IDENTITY = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def with_tables(root: Path, tables: Path) -> None:
    """Give a repository MLflow's empty tables: making them takes seconds."""
    target = root / ".local" / "mlflow" / "mlflow.db"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tables, target)


def rehearsal_of(root: Path, outcome: str = "pass", **changes: Any) -> None:
    """Write what `rehearse` would say of the packaged bento."""
    package = read_json(Paths(root, PROJECT, "package").output("report.json"))
    report = {
        "outcome": outcome,
        "bento_digest": package["digest"],
        "model_digest": package["model_digest"],
        "checks": [{"name": "same predictions", "outcome": outcome, "expected": "", "found": ""}],
        **changes,
    }
    write_json(Paths(root, PROJECT, "rehearse").output("report.json"), report)


def verdict_of(root: Path, outcome: str) -> None:
    target = Paths(root, PROJECT, "gate").output("verdict.json")
    write_json(target, {**read_json(target), "outcome": outcome})


def evidence_of(
    root: Path, without: tuple[str, ...] = (), state: str = "ran", **build: Any
) -> Evidence:
    """A build of the present files as what it has to show."""
    entries, cache = {}, root / ".cache-of-tests"
    stages = [s for s in READING_ORDER if s not in without]
    for stage in stages:
        folder = root / "data" / PROJECT / folder_name(stage)
        if folder.is_dir():
            entries[stage] = {
                "outs": [_out(root, path, cache) for path in sorted(folder.iterdir())]
            }
    content = {
        "id": "20260101T000000000000-1",
        "commit": git(root, "rev-parse", "HEAD"),
        "dirty": False,
        "dirty_files": [],
        "stages": [{"name": name, "state": state} for name in stages],
        **build,
    }
    return Evidence(content, Outputs(root, PROJECT, entries, cache))


def _out(root: Path, path: Path, cache: Path) -> dict[str, str]:
    """An output as dvc.lock has it; of a folder, the listing as DVC's cache has it."""
    name = path.relative_to(root).as_posix()
    if path.is_file():
        return {"path": name, "md5": _md5(path.read_bytes())}
    files = sorted(f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    listing = [
        {"md5": _md5(f.read_bytes()), "relpath": f.relative_to(path).as_posix()} for f in files
    ]
    whole = json.dumps(listing).encode()
    digest = _md5(whole) + ".dir"
    target = cache / digest[:2] / digest[2:]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(whole)
    return {"path": name, "md5": digest}


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()  # noqa: S324 -- DVC's


def packed(root: Path) -> Path:
    return Paths(root, PROJECT, "package").output("bento")


def registered(root: Path, evidence: Evidence | None = None) -> Version:
    """Register the present bento, as a logging build does."""
    evidence = evidence or evidence_of(root)
    store = Store(root, PROJECT)
    run = store.run(evidence.build["id"], "a build", 0, {"build": evidence.build["id"]})
    return register(root, evidence, packed(root), f"runs:/{run}/model", run, store)[0]


def another_model(root: Path, temperature: float) -> None:
    """Change the packaged model: another policy, another bento, all digests right."""
    source = packed(root) / bento.SOURCE
    policy = source / bento.MODEL / "policy.json"
    write_json(policy, {**read_json(policy), "temperature": temperature})
    proof = read_json(source / bento.PROOF)
    digest = bento.model_digest(source / bento.MODEL)
    write_json(source / bento.PROOF, {**proof, "model_digest": digest})
    whole = bento.digest(packed(root))
    report = Paths(root, PROJECT, "package").output("report.json")
    tag = f"{PROJECT}:{whole[: bento.VERSION_LENGTH]}"
    changed = {"digest": whole, "model_digest": digest, "tag": tag}
    write_json(report, {**read_json(report), **changed})
    rehearsal_of(root)
