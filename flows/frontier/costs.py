"""What a point cost when it was trained, also when DVC's cache gave it back this time.

A stage's cost is kept under the digest of what it wrote; what a tracked build trained before is
found by its record.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.costs.stage_costs import Cost
from pipeline.core.files import write_json
from pipeline.core.run.runner import read_record

TRACKED = "tracking.json"


def folder_of(local: Path, project: str) -> Path:
    """Where a project's frontier lies: `.local/frontier/<project>`."""
    return local / "frontier" / project


def keep_cost(local: Path, project: str, stage: str, entry: Mapping[str, Any], cost: Cost) -> None:
    """Remember what a stage cost, by what it wrote."""
    write_json(_source(local, project, stage, entry), cost.as_json())


def known_cost(local: Path, project: str, stage: str, entry: Mapping[str, Any]) -> Cost | None:
    """What making these outputs cost; None when no record of it is left.

    Args:
        local: The folder of mutable state.
        project: The project's name.
        stage: The stage's name.
        entry: What dvc.lock says of it.
    """
    if kept := read_record(_source(local, project, stage, entry)):
        return Cost(**kept)
    for source in sorted((local / "runs").glob(f"*/{TRACKED}"), reverse=True):
        found = read_record(source)
        there = (found.get("entries") or {}).get(stage) or {}
        if found.get("project") == project and there.get("outs") == entry.get("outs"):
            cost = _cost_in(read_record(source.parent / "build.json"), stage)
            if cost is not None:
                return cost
    return None


def _cost_in(build: Mapping[str, Any], stage: str) -> Cost | None:
    for one in build.get("stages", ()):
        if one.get("name") == stage and one.get("state") == "ran" and one.get("cost"):
            return Cost(**one["cost"])
    return None


def _source(local: Path, project: str, stage: str, entry: Mapping[str, Any]) -> Path:
    digests = sorted(f"{out['path']} {out.get('md5')}" for out in entry.get("outs", ()))
    digest = hashlib.sha256("\n".join(digests).encode()).hexdigest()[:24]
    return folder_of(local, project) / "costs" / f"{stage}-{digest}.json"
