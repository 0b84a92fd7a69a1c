"""From logits to decisions: a temperature for the probabilities, a threshold for the decision.

Reads: split/calibration.parquet, the model's files.
Writes: policy.json.
Refuses when: the model's files do not belong together; no threshold keeps the mitigation's limit.
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core import prediction, scored
from pipeline.core.calibration import Objective, fit_policy
from pipeline.core.constrained_threshold import constrained_threshold
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, write_json
from pipeline.core.labels import positives
from pipeline.core.paths import Paths
from pipeline.core.policy import Policy
from pipeline.core.postprocessing import Mitigation, effect
from pipeline.core.project import Frozen, Project, Task

SECTIONS = ("columns",)

Floats = NDArray[np.float64]


class Settings(Frozen):
    temperature: float | None = Field(None, gt=0)
    """Divides the logits; fitted on the calibration part when not given."""
    threshold: float | None = Field(None, gt=0, lt=1)
    """The least probability that is decided as positive; chosen on the calibration part when
    not given."""
    maximise: Objective = "accuracy"
    """What the threshold is chosen for."""
    mitigation: Mitigation = Mitigation()
    """What is done after training about gaps between groups."""

    @model_validator(mode="after")
    def _one_who_chooses(self) -> "Settings":
        if self.threshold is not None and self.mitigation.method == "constrained_threshold":
            raise ValueError("expected `threshold` or `constrained_threshold`, which chooses one")
        return self


def run(project: Project[Settings], paths: Paths) -> None:
    columns, settings = project.columns, project.settings
    table = read_parquet(paths.input("split", "calibration.parquet"))
    model = prediction.load(paths.input("train", ""), project.modality)
    if columns.task != "binary":
        check_task(settings, columns.task)
        outputs, truth = model.logits(table), model.outcome.truth(table, columns)
        fitted = scored.fit_policy(model.outcome, outputs, truth, settings.temperature)
        write_json(paths.output("policy.json"), {**fitted.as_dict(), "num_rows": table.height})
        return
    labels = positives(table, columns).to_numpy().astype(float)
    logits = model.logits(table)
    policy = fit_policy(logits, labels, settings.maximise, settings.temperature, settings.threshold)
    found: dict[str, Any] = {"maximise": settings.maximise, "num_rows": table.height}
    if settings.mitigation.method == "constrained_threshold":
        policy, found["mitigation"] = constrained(project, table, logits, labels, policy)
    write_json(paths.output("policy.json"), {**policy.as_dict(), **found})


def constrained(
    project: Project[Settings],
    table: pl.DataFrame,
    logits: Floats,
    labels: Floats,
    before: Policy,
) -> tuple[Policy, dict[str, Any]]:
    """The policy of one threshold that keeps the limit, and what that changed on these rows."""
    settings, probability = project.settings.mitigation, before.probability(logits)
    chosen = constrained_threshold(
        probability, labels, table, project.columns, settings, project.settings.maximise
    )
    after = Policy(before.temperature, chosen.threshold)
    return after, {
        **settings.model_dump(mode="json", include=REPORTED),
        "columns": list(settings.of(project.columns)),
        "num_allowed": chosen.num_allowed,
        "too_small": {one.by: one.too_small for one in chosen.groupings if one.too_small},
        **{
            when: {
                "threshold": policy.threshold,
                **effect(policy.decide(probability), labels, chosen.groupings, settings),
            }
            for when, policy in (("before", before), ("after", after))
        },
    }


REPORTED = {"method", "constraint", "at_most", "confidence", "min_group_size", "least_share"}
"""The settings of the mitigation that stand in policy.json."""


def check_task(settings: Settings, task: Task) -> None:
    """Refuse what is for two classes alone, and a temperature where there are no probabilities."""
    of_binary = ("threshold", "maximise", "mitigation")
    for name in of_binary if task == "multiclass" else ("temperature", *of_binary):
        if getattr(settings, name) != Settings.model_fields[name].default:
            raise ProjectError(
                f"calibrate.{name}: expected its default, as the task is {task}: "
                "nothing would read it",
                hint=f"take `{name}` out of the section `calibrate`",
            )
