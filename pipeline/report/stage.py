"""One page for people: what the model is for, what it was made from, how it did, and the verdict.

Reads: every report of the stages before it, the model's files (their digests alone).
Writes: report.html, one file that needs no network and no script.
Refuses when: a file is absent or damaged, or lacks a part that the page shows.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import damaged, missing, read_json, write_text
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Task
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen
from pipeline.report.card import Card, render

SECTIONS = ("about", "columns")

REPORTS = {
    ("ingest", "profile.json"): ("sha256", "bytes", "rows", "columns"),
    ("validate", "report.json"): ("rows", "success", "expectations", "prepared"),
    ("clean", "ledger.json"): ("rows_in", "rows_out", "rules"),
    ("split", "report.json"): ("rows", "parts"),
    ("audit", "report.json"): ("min_group_size", "by"),
    ("balance", "report.json"): ("method",),
    ("train", "report.json"): ("num_epochs", "best_epoch", "settings"),
    ("evaluate", "report.json"): ("num_rows", "confidence", "model", "baseline", "champion"),
    ("assess", "report.json"): ("confidence", "min_group_size", "model", "baseline"),
    ("explain", "report.json"): ("kind", "ranking", "cases"),
    ("gate", "verdict.json"): ("outcome", "rules", "baseline_outcome"),
}
"""The JSON files that the page shows, and the parts that each must have."""
POLICY = ("calibrate", "policy.json")
POLICIES: dict[Task, tuple[str, ...]] = {
    "binary": ("temperature", "threshold", "maximise"),
    "multiclass": ("temperature",),
    "regression": (),
}
"""The parts of the policy, by task."""
CURVES = {
    ("evaluate", "roc.csv"): ("false_positive_rate", "true_positive_rate"),
    ("evaluate", "reliability.csv"): ("num_rows", "mean_probability", "positive_rate"),
}
MODEL = tuple(("train", name) for name in ("encoder.json", "model.json", "weights.safetensors"))
"""Not shown, but named by digest: the page is about just this model."""


class Settings(Frozen):
    title: str | None = None
    """What stands above the question; the project's name when not given."""
    num_slices: int = Field(default=10, ge=1)
    """How many of the worst slices are drawn; all are in the table."""


def run(project: Project[Settings], paths: Paths) -> None:
    found = {
        stage: checked(paths.input(stage, name), keys) for (stage, name), keys in REPORTS.items()
    }
    found["calibrate"] = checked(paths.input(*POLICY), POLICIES[project.columns.task])
    check_same_rows(found["split"], found["evaluate"])
    card = Card(
        project=project.name,
        title=project.settings.title or project.name,
        num_slices=project.settings.num_slices,
        about=project.about,
        columns=project.columns,
        curves=json_lines(paths.input("train", "curves.jsonl")),
        roc=curve(paths.input("evaluate", "roc.csv"), CURVES["evaluate", "roc.csv"]),
        reliability=curve(
            paths.input("evaluate", "reliability.csv"), CURVES["evaluate", "reliability.csv"]
        ),
        digests=digests(paths),
        **found,
    )
    write_text(paths.output("report.html"), render(card))


def checked(source: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """A JSON report that has these parts.

    Raises:
        ArtifactMissing: it is absent, damaged, or lacks one of them.
    """
    content = read_json(source)
    absent = [key for key in keys if not isinstance(content, dict) or key not in content]
    if absent:
        raise damaged(source, "JSON", KeyError(f"it has no `{absent[0]}`"))
    found: dict[str, Any] = content
    return found


def check_same_rows(split: dict[str, Any], evaluation: dict[str, Any]) -> None:
    """Refuse reports of different builds: one page must not tell of two.

    Raises:
        ArtifactMissing: the model was not measured on the test part that the page describes.
    """
    described, measured = split["parts"]["test"]["rows"], evaluation["num_rows"]
    if described != measured:
        raise ArtifactMissing(
            f"expected evaluate's report to be of split's {described} test rows, "
            f"found one of {measured}",
            hint="build again: `hallmark build`",
        )


def json_lines(source: Path) -> list[dict[str, float]]:
    """The training's curve, one point per epoch."""
    try:
        text = source.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except FileNotFoundError:
        raise missing(source) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise damaged(source, "JSON lines", error) from None


def curve(source: Path, names: tuple[str, ...]) -> dict[str, list[float]]:
    """A curve's columns by name."""
    if not source.is_file():
        raise missing(source)
    try:
        table = pl.read_csv(source)
        return {name: table[name].cast(pl.Float64).to_list() for name in names}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(source, "CSV", error) from None


def digests(paths: Paths) -> list[tuple[str, str]]:
    """Each file that the page is made from, relative to the repository, and its SHA-256."""
    names = sorted({*REPORTS, POLICY, *CURVES, *MODEL, ("train", "curves.jsonl")})
    found = []
    for stage, name in names:
        source = paths.input(stage, name)
        if not source.is_file():
            raise missing(source)
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        found.append((source.relative_to(paths.root).as_posix(), digest))
    return sorted(found)
