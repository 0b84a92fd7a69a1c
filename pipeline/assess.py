"""How the model decides for different groups of people, with intervals; the baseline beside it.

Reads: evaluate/predictions.parquet, split/test.parquet (its sensitive columns).
Writes: report.json, metrics.json.
Refuses when: predictions and test rows are not the same rows.
"""

from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.project import Frozen, Project

SECTIONS = ("columns",)


class Settings(Frozen):
    confidence: float = Field(0.95, ge=0.9, lt=1)
    """Of each one-sided bound of a gap."""
    num_replicates: int = Field(2000, ge=100)
    """Bootstrap resamples."""
    seed: int = 0
    """Of the resampling."""
    min_group_size: int = Field(200, ge=1)
    """Groups with fewer test rows are listed as too small, and no gap is computed with them."""


def run(project: Project[Settings], paths: Paths) -> None:
    columns = project.columns
    predictions = read_parquet(paths.input("evaluate", "predictions.parquet"))
    test = read_parquet(paths.input("split", "test.parquet"), ["_row", *columns.sensitive])
    if not predictions["_row"].equals(test["_row"]):
        raise ArtifactMissing(
            "expected evaluate's predictions to be of split's test rows, found others",
            hint=f"build again: `dvc repro evaluate@{project.name}`",
        )
    report: dict[str, Any] = {
        "confidence": project.settings.confidence,
        "min_group_size": project.settings.min_group_size,
        "model": assessed(predictions, "decision", test, columns.sensitive, project.settings),
        "baseline": assessed(
            predictions, "baseline_decision", test, columns.sensitive, project.settings
        ),
    }
    write_json(paths.output("report.json"), report)
    write_json(paths.output("metrics.json"), flat(report["model"]))


def assessed(
    predictions: pl.DataFrame,
    decision: str,
    test: pl.DataFrame,
    sensitive: tuple[str, ...],
    settings: Settings,
) -> dict[str, Any]:
    """Groups and gaps by each sensitive column and by each pair of them."""
    from pipeline.core import fairness

    labels = predictions["label"].to_numpy().astype(np.int64)
    decisions = predictions[decision].to_numpy().astype(np.int64)
    found = {}
    for columns in [(name,) for name in sensitive] + list(combinations(sensitive, 2)):
        counted = fairness.cells(labels, decisions, fairness.group_names(test, columns))
        two_sided = 2 * settings.confidence - 1
        entries = fairness.by_group(counted, settings.min_group_size, two_sided)
        small = [entry["group"] for entry in entries if entry["too_small"]]
        measured = len(entries) - len(small) >= 2
        found[fairness.CROSS.join(columns)] = {
            "groups": entries,
            "too_small": small,
            "gaps": fairness.gaps(
                counted[~counted["group"].isin(small)],
                confidence=settings.confidence,
                num_replicates=settings.num_replicates,
                seed=settings.seed,
            )
            if measured
            else {},
        }
    return found


def flat(assessment: dict[str, Any]) -> dict[str, Any]:
    """The gaps alone, as `dvc metrics` shows them."""
    return {
        by: {measure: gap["value"] for measure, gap in entry["gaps"].items()}
        for by, entry in assessment.items()
    }
