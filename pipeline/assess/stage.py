"""How the model decides for different groups of people, with intervals; the baseline beside it.

Where the modality has counterfactuals, also how far the model's answer moves when the words of one
group in a text are swapped for another's.

Reads: evaluate/predictions.parquet, split/test.parquet (its sensitive columns, and the text); with
counterfactuals the model's files and calibrate/policy.json.
Writes: report.json, metrics.json.
Refuses when: predictions and test rows are not the same rows, or a sensitive number has no edges.
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from pipeline.assess.group_rates import Binary, Multiclass, Predicted, Regression
from pipeline.core.dataset.groups import CROSS, crossings, group_names
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json, read_parquet, write_json
from pipeline.core.metrics.gaps import measured
from pipeline.core.metrics.measures import GAPS_OF
from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.scoring import counterfactuals as swaps
from pipeline.core.scoring.counterfactuals import CounterfactualSettings
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import optional_part
from pipeline.core.settings.problems import Unsuitable
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen

SECTIONS = ("columns",)


class Settings(Frozen):
    confidence: float = Field(0.95, ge=0.9, lt=1)
    """Of each one-sided bound."""
    num_replicates: int = Field(1000, ge=100)
    """Bootstrap resamples."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the resampling."""
    min_group_size: int = Field(200, ge=1)
    """Groups with fewer test rows are listed as too small, and no gap is computed with them."""
    max_depth: int = Field(2, ge=1, le=4)
    """How many sensitive columns are crossed at most."""
    counterfactuals: CounterfactualSettings | None = None
    """Of a modality that has them (text): how many texts are scored; their defaults when not
    given."""

    @field_validator("counterfactuals")
    @classmethod
    def _known_to_the_modality(
        cls, given: CounterfactualSettings | None, info: ValidationInfo
    ) -> CounterfactualSettings | None:
        modality = (info.context or {}).get("modality")
        if given and modality and optional_part(modality, "evaluation.counterfactuals") is None:
            raise Unsuitable(
                f"expected no `counterfactuals` in a project of the modality {modality}",
                "words are swapped in texts alone: remove the key",
            )
        return given


def run(project: Project[Settings], paths: Paths) -> None:
    columns, settings = project.columns, project.settings
    predictions = read_parquet(paths.input("evaluate", "predictions.parquet"))
    wanted = ["_row", *columns.sensitive, *filter(None, [columns.text])]
    test = read_parquet(paths.input("split", "test.parquet"), wanted)
    if not predictions["_row"].equals(test["_row"]):
        raise ArtifactMissing(
            "expected evaluate's predictions to be of split's test rows, found others",
            hint=f"build again: `hallmark build {project.name} evaluate`",
        )
    report: dict[str, Any] = {
        "task": columns.task,
        "confidence": settings.confidence,
        "num_replicates": settings.num_replicates,
        "seed": settings.seed,
        "min_group_size": settings.min_group_size,
        "no_sensitive": columns.no_sensitive,
        "model": assessed(predicted(predictions, "", columns), test, columns, settings),
        "baseline": assessed(predicted(predictions, "baseline_", columns), test, columns, settings),
        "counterfactuals": swapped(project, paths, test),
    }
    write_json(paths.output("report.json"), report)
    write_json(paths.output("metrics.json"), flat(report["model"]))


def swapped(project: Project[Settings], paths: Paths, test: pl.DataFrame) -> dict[str, Any] | None:
    """How far answers move by group, of the same texts; None where the modality swaps nothing."""
    kind = optional_part(project.modality, "evaluation.counterfactuals")
    if kind is None:
        return None
    settings = project.settings.counterfactuals or CounterfactualSettings()
    how = project.settings.model_dump(include={"confidence", "num_replicates", "seed"})
    found = kind.versions(test, project.columns, settings.max_texts, how["seed"])
    model = prediction.load(paths.input("train", ""), project.modality)
    policy = read_json(paths.input("calibrate", "policy.json"))
    answers, outputs = swaps.answering(model, policy, project.columns)
    return swaps.assessed(found, answers, outputs, settings, how)


def predicted(predictions: pl.DataFrame, who: str, columns: Columns) -> Predicted:
    """What was predicted for each row, and what is true; `who` starts the columns' names."""
    labels = predictions["label"].to_numpy()
    if columns.task == "regression":
        return Regression(labels.astype(float), predictions[f"{who}prediction"].to_numpy())
    decisions = predictions[f"{who}decision"].to_numpy()
    if columns.task == "multiclass":
        known = predictions.select("label", "decision", "baseline_decision")
        classes = np.unique(known.to_numpy().astype(str))
        return Multiclass(labels.astype(str), decisions.astype(str), classes)
    probability = predictions[f"{who}probability"].to_numpy().astype(float)
    return Binary(labels.astype(np.int64), decisions.astype(np.int64), probability)


def assessed(
    found: Predicted, test: pl.DataFrame, columns: Columns, settings: Settings
) -> dict[str, Any]:
    """Groups and gaps by each sensitive column and by their crossings."""
    return {
        CROSS.join(names): between(
            found,
            group_names(test, names, columns).to_numpy().astype(str),
            tuple(GAPS_OF[columns.task]),
            settings,
        )
        for names in crossings(columns.sensitive, settings.max_depth)
    }


def between(
    found: Predicted, groups: NDArray[Any], measures: tuple[str, ...], settings: Settings
) -> dict[str, Any]:
    """Each group's measures, and the gaps between those that are large enough.

    Args:
        found: What was predicted, and what is true.
        groups: Names, shape (rows,).
        measures: Which gaps.
        settings: Of the intervals, and from which size on a group is large enough.
    """
    from pipeline.assess import fairness

    how = settings.model_dump(include={"confidence", "num_replicates", "seed"})
    least = settings.min_group_size
    entries = [
        {**entry, "too_small": entry["num_rows"] < least} for entry in found.entries(groups, **how)
    ]
    known = fairness.by_group(found, groups)
    for entry in entries:
        put_values(entry, known[entry["group"]])
    small = [entry["group"] for entry in entries if entry["too_small"]]
    gaps: dict[str, Any] = {}
    if len(entries) - len(small) >= 2:
        kept = ~np.isin(groups, small)
        values = fairness.gaps(found.only(kept), groups[kept])
        for measure in measures:
            gap = measured(entries, measure, min_group_size=least, **how)
            gaps[measure] = gap and with_value(gap, values[measure])
    return {"groups": entries, "too_small": small, "gaps": gaps}


def put_values(entry: dict[str, Any], known: dict[str, Any]) -> None:
    """Write Fairlearn's values over ours, wherever there is somebody to take a measure of."""
    for name, value in known.items():
        if isinstance(value, dict):
            put_values(entry[name], value)
        elif entry[name]["value"] is not None:
            entry[name]["value"] = round(value, 6)


def with_value(gap: dict[str, Any], value: float) -> dict[str, Any]:
    """A gap with Fairlearn's value; with ours where Fairlearn has no number, or takes a rate of
    nobody for 0."""
    return gap if gap.get("unknown") or not np.isfinite(value) else gap | {"value": round(value, 6)}


def flat(assessment: dict[str, Any]) -> dict[str, Any]:
    """The gaps alone, as `dvc metrics` shows them."""
    return {
        by: {measure: gap["value"] for measure, gap in entry["gaps"].items()}
        for by, entry in assessment.items()
    }
