"""From logits to decisions: a temperature for the probabilities, a threshold for the decision.

Reads: split/calibration.parquet, the model's files.
Writes: policy.json.
Refuses when: the model's files do not belong together; no threshold keeps the mitigation's limit;
thresholds by group are asked for, and not that the service may ask for the group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.calibrate.constrained_threshold import constrained_threshold
from pipeline.calibrate.postprocessing import Bits, Grouping, Mitigation, effect, grouping
from pipeline.core.dataset.labels import positives
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.prediction.calibration import Objective, fit_policy
from pipeline.core.prediction.decisions import counted, decided
from pipeline.core.prediction.policy import Policy
from pipeline.core.scoring import scored
from pipeline.core.settings.columns import Columns, Task
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen

SECTIONS = ("columns",)

Floats = NDArray[np.float64]


class Settings(Frozen):
    temperature: float | None = Field(None, gt=0, json_schema_extra={"unit": "factor"})
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


@dataclass(frozen=True)
class Rows:
    """The calibration rows, with what the model and the plain policy say of them.

    Attributes:
        table: Their columns.
        labels: 0 or 1, shape (rows,).
        model: The trained model.
        policy: One threshold for everybody, chosen without mitigation.
        probability: By that policy, shape (rows,).
    """

    table: pl.DataFrame
    labels: Floats
    model: prediction.Predictor
    policy: Policy
    probability: Floats

    def decisions(self, policy: Policy) -> Bits:
        return decided(policy, self.model, self.table, self.probability)


def run(project: Project[Settings], paths: Paths) -> None:
    columns, settings = project.columns, project.settings
    check_allowed(settings.mitigation, columns)
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
    if settings.mitigation.method != "none":
        rows = Rows(table, labels, model, policy, policy.probability(logits))
        mitigate = (
            constrained if settings.mitigation.method == "constrained_threshold" else by_group
        )
        policy, found["mitigation"] = mitigate(project, rows)
    write_json(paths.output("policy.json"), {**policy.as_dict(), **found})


def check_allowed(mitigation: Mitigation, columns: Columns) -> None:
    """Refuse to decide by a sensitive column where nobody said that the service may ask for it."""
    if mitigation.method == "threshold_optimizer" and not mitigation.allow_sensitive_at_serving:
        names = ", ".join(mitigation.of(columns))
        raise ProjectError(
            f"calibrate.mitigation.method: threshold_optimizer decides by {names}, so the service "
            "must be told it with every case; expected that this is allowed, found that it is not",
            hint="set `calibrate.mitigation.allow_sensitive_at_serving: true`, or take "
            "`constrained_threshold`, which needs no sensitive column",
        )


def constrained(project: Project[Settings], rows: Rows) -> tuple[Policy, dict[str, Any]]:
    """The policy of one threshold that keeps the limit, and what that changed on these rows."""
    settings = project.settings.mitigation
    chosen = constrained_threshold(
        rows.probability,
        rows.labels,
        rows.table,
        project.columns,
        settings,
        project.settings.maximise,
    )
    policy = Policy(rows.policy.temperature, chosen.threshold)
    return policy, {
        **described(project, rows, policy, chosen.groupings),
        "num_allowed": chosen.num_allowed,
        "too_small": {one.by: one.too_small for one in chosen.groupings if one.too_small},
    }


def by_group(project: Project[Settings], rows: Rows) -> tuple[Policy, dict[str, Any]]:
    """The policy of thresholds for each group, and what that changed on these rows."""
    # Not at the top: it loads Fairlearn.
    from pipeline.calibrate.threshold_optimizer import optimize

    columns, settings = project.columns, project.settings.mitigation
    found = optimize(
        rows.probability, rows.labels, rows.table, columns, settings, project.settings.maximise
    )
    policy = Policy(rows.policy.temperature, rows.policy.threshold, found.thresholds)
    by = policy.columns
    crossed = [by] if len(by) == 1 else [*((name,) for name in by), by]
    groupings = [grouping(rows.table, one, columns, settings.min_group_size) for one in crossed]
    return policy, {
        **described(project, rows, policy, groupings),
        "too_small": {groupings[-1].by: found.without} if found.without else {},
        **counted(policy, rows.table, rows.probability),
    }


def described(
    project: Project[Settings], rows: Rows, policy: Policy, groupings: Sequence[Grouping]
) -> dict[str, Any]:
    """Settings of the mitigation, and what decisions came to before and after it."""
    settings = project.settings.mitigation
    return {
        **settings.model_dump(mode="json", include=REPORTED),
        "columns": list(settings.of(project.columns)),
        **{
            when: {
                "threshold": one.threshold,
                **effect(rows.decisions(one), rows.labels, groupings, settings),
            }
            for when, one in (("before", rows.policy), ("after", policy))
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
