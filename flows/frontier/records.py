"""What is on record of a frontier's points, by what they depend on: settings, code, data.

A point whose record is there is neither built nor measured again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from flows.costs.stage_costs import Cost
from flows.frontier.points import Point
from flows.frontier.slots import Event
from flows.git import git
from pipeline.core.files import write_text
from pipeline.core.run.runner import read_record

Outcome = Literal["measured", "refused", "failed", "stopped", "skipped"]
Origin = Literal["trained", "restored", "on record", ""]
_CODE = ("pipeline/", "requirements.lock", "dvc.yaml", "flows/frontier/measure.py")


@dataclass(frozen=True)
class Ended:
    """How a point ended.

    Attributes:
        point: Which one.
        outcome: measured, refused (by a stage: these settings cannot be), failed, stopped, skipped.
        origin: Where a measured one is from: trained now, restored by DVC, or on record.
        message: Why it was not measured.
        content: What `flows.frontier.measure` wrote.
        cost: What building it cost, whenever that was; None when that is not known.
        wall_s: How long it took this time.
    """

    point: Point
    outcome: Outcome
    origin: Origin = ""
    message: str = ""
    content: Mapping[str, Any] | None = None
    cost: Cost | None = None
    wall_s: float = 0.0

    @property
    def is_lasting(self) -> bool:
        """Whether the same point would end so again: it goes on record."""
        return self.outcome in ("measured", "refused")

    @staticmethod
    def of(point: Point, event: Event, wall_s: float) -> "Ended":
        """From a worker's last event."""
        cost = Cost(**event["cost"]) if event.get("cost") else None
        if event["outcome"] != "measured":
            return Ended(
                point, event["outcome"], message=event["message"], cost=cost, wall_s=wall_s
            )
        trained = any(one["name"] == "train" and one["state"] == "ran" for one in event["stages"])
        origin: Origin = "trained" if trained else "restored"
        return Ended(point, "measured", origin, "", event["content"], cost, wall_s)


def fingerprint(root: Path, project: str, commit: str) -> str:
    """SHA-256 of all that a point depends on but its settings: code, packages, graph, data.

    Args:
        root: The checkout.
        project: The project's name.
        commit: The checkout as it is, from `flows.engine.worktree.snapshot`.
    """
    home = f"data/{project}/"
    left_out = (f"{home}project.yaml", f"{home}champion/", f"{home}overrides", f"{home}.gitignore")
    lines = git(root, "ls-tree", "-r", "--full-tree", commit).splitlines()
    kept = []
    for line in lines:
        path = line.partition("\t")[2]
        if path.startswith((*_CODE, home)) and not path.startswith(left_out):
            kept.append(line)
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


class Records:
    """The records of one project's points.

    Args:
        folder: `.local/frontier/<project>`.
        fingerprint: Of all that points depend on but their settings.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self._fingerprint = fingerprint

    def key(self, point: Point) -> str:
        """Names a point by its settings and all else that it depends on."""
        text = json.dumps([self._fingerprint, point.settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def read(self, point: Point) -> Ended | None:
        """The record of a point; None when there is none."""
        found = read_record(self._source(point))
        if not found:
            return None
        if found["content"] is None:
            return Ended(point, "refused", message=found["message"])
        cost = Cost(**found["cost"]) if found["cost"] else None
        return Ended(point, "measured", "on record", "", found["content"], cost, found["wall_s"])

    def write(self, ended: Ended) -> None:
        """Keep a point that would end so again, whole or not at all."""
        content = {
            "name": ended.point.name,
            "family": ended.point.family,
            "trainings": ended.point.trainings,
            "assignments": list(ended.point.assignments),
            "origin": ended.origin,
            "cost": ended.cost.as_json() if ended.cost else None,
            "wall_s": round(ended.wall_s, 3),
            "message": ended.message,
            "content": ended.content,
        }
        write_text(self._source(ended.point), json.dumps(content, ensure_ascii=False) + "\n")

    def pace(self) -> "Pace":
        """How long points took that were trained before, whatever their settings."""
        pace = Pace()
        for source in sorted(self._points.glob("*.json")):
            found = read_record(source)
            if found.get("origin") == "trained":
                pace.add(found["family"], found["trainings"], found["wall_s"])
        return pace

    @property
    def _points(self) -> Path:
        return self.folder / "points"

    def _source(self, point: Point) -> Path:
        return self._points / f"{self.key(point)}.json"


class Pace:
    """Foretells how long a point takes: as others of its family, else by its trainings."""

    def __init__(self) -> None:
        self._families: dict[str, list[float]] = {}
        self._paces: list[float] = []

    def learn(self, ended: Ended) -> None:
        """Take a point into account that has just been trained."""
        if ended.outcome == "measured" and ended.origin == "trained":
            self.add(ended.point.family, ended.point.trainings, ended.wall_s)

    def add(self, family: str, trainings: float, wall_s: float) -> None:
        self._families.setdefault(family, []).append(wall_s)
        self._paces.append(wall_s / trainings)

    def expected_s(self, point: Point) -> float | None:
        """Seconds; None when nothing was trained yet."""
        if known := self._families.get(point.family):
            return median(known)
        return median(self._paces) * point.trainings if self._paces else None
