"""Measure the model on the test part, beside a cheap baseline and the live champion.

Reads: split/test.parquet, the model's files, calibrate/policy.json, champion/; for the baseline
balance/train.parquet and split/calibration.parquet.
Writes: metrics.json, report.json, predictions.parquet, roc.csv, reliability.csv.
Refuses when: the model's files do not belong together.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.dataset.labels import positives
from pipeline.core.files import read_json, read_parquet, replacing, write_json, write_parquet
from pipeline.core.metrics import slices
from pipeline.core.metrics.measures import METRICS_OF
from pipeline.core.metrics.metrics import BinaryMetrics, reliability, roc_curve
from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.prediction.calibration import fit_policy
from pipeline.core.prediction.decisions import counted, decided
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.policy import Policy
from pipeline.core.scoring.offline import EXPECTED
from pipeline.core.scoring.scored import Scored, labels_of, scored
from pipeline.core.scoring.scored import fit_policy as fit_outputs
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.statistics.intervals import Interval, bootstrap, paired_bootstrap
from pipeline.evaluate.against_champion import CHAMPION_MAX_DEPTH as CHAMPION_MAX_DEPTH
from pipeline.evaluate.against_champion import against_champion
from pipeline.evaluate.challengers import Answerer, Decider, Statistics

SECTIONS = ("columns",)
NUM_CURVE_POINTS = 200
CURVES = {
    "roc.csv": ("false_positive_rate", "true_positive_rate"),
    "reliability.csv": ("bin", "num_rows", "mean_probability", "positive_rate"),
}
"""The curves' columns: a number has no curves, and their files no rows."""

BASELINE_ANSWERS = ("decision", "probability", "prediction")
"""What predictions.parquet holds of the baseline."""

Floats = NDArray[np.float64]


class Settings(Frozen):
    confidence: float = Field(0.95, ge=0.9, lt=1)
    """Of each one-sided bound."""
    num_replicates: int = Field(1000, ge=100)
    """Bootstrap resamples."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the resampling and of the baseline."""
    min_slice_rows: int = Field(200, ge=1)
    """A slice with fewer test rows is not reported."""


def run(project: Project[Settings], paths: Paths) -> None:
    if project.columns.task == "binary":
        run_binary(project, paths)
    else:
        run_outputs(project, paths)


def run_binary(project: Project[Settings], paths: Paths) -> None:
    """Two classes: decided by a policy with a threshold."""
    columns, settings = project.columns, project.settings
    test = read_parquet(paths.input("split", "test.parquet"))
    calibration = read_parquet(paths.input("split", "calibration.parquet"))
    model = prediction.load(paths.input("train", ""), project.modality)
    policy_file = read_json(paths.input("calibrate", "policy.json"))
    policy = Policy.from_dict(policy_file)
    train = read_parquet(paths.input("balance", "train.parquet"))
    labels = positives(test, columns).to_numpy().astype(float)
    probability = policy.probability(model.logits(test))
    decisions = decided(policy, model, test, probability)
    baseline, baseline_probability = fit_baseline(
        project, model.encoder, train, calibration, test, policy_file["maximise"]
    )
    baseline_decisions = baseline.decide(baseline_probability)
    predictions = pl.DataFrame(
        {
            "_row": test["_row"],
            "label": labels.astype(np.int8),
            "probability": probability,
            "decision": decisions.astype(np.int8),
            "baseline_probability": baseline_probability,
            "baseline_decision": baseline_decisions.astype(np.int8),
        }
    )
    found, theirs, gained = paired(
        BinaryMetrics.of(labels, probability, decisions.astype(float)),
        BinaryMetrics.of(labels, baseline_probability, baseline_decisions.astype(float)),
        columns,
        test.height,
        settings,
    )
    report = {
        "num_rows": test.height,
        "confidence": settings.confidence,
        "num_replicates": settings.num_replicates,
        "policy": {**policy.as_dict(), **counted(policy, test, probability)},
        "model": as_dicts(found),
        "baseline": {
            **beside_baseline(project, baseline.as_dict(), theirs, gained),
            "operations": operations_of_baseline(project, train, model),
        },
        "champion": beside_champion(project, paths, Decider(test, labels, probability, decisions)),
        "slices": slices.accuracy(
            part(project.modality, "evaluation.slices").slices_of(test, columns),
            predictions["decision"] == predictions["label"],
            settings.min_slice_rows,
        ),
    }
    curves = {
        "roc.csv": roc_curve(labels, probability, NUM_CURVE_POINTS),
        "reliability.csv": reliability(labels, probability),
    }
    write(paths, predictions, curves, report)


def fit_baseline(
    project: Project[Settings],
    encoder: Any,
    train: pl.DataFrame,
    calibration: pl.DataFrame,
    test: pl.DataFrame,
    maximise: Any,
) -> tuple[Policy, Floats]:
    """The baseline's policy and its test probabilities: the same rows, the same rules."""
    fitting, testing = part(project.modality, "evaluation.baseline").logits(
        train, [calibration, test], project.columns, encoder, project.settings.seed
    )
    labels = positives(calibration, project.columns).to_numpy().astype(float)
    policy = fit_policy(fitting, labels, maximise)
    return policy, policy.probability(testing)


def paired(
    ours: Statistics, theirs: Statistics, columns: Columns, num_rows: int, settings: Settings
) -> tuple[dict[str, Interval], dict[str, Interval], dict[str, Interval]]:
    """All measures of the model and of the baseline, with bounds, and what the model gains."""
    return paired_bootstrap(
        ours,
        theirs,
        METRICS_OF[columns.task],
        num_rows,
        confidence=settings.confidence,
        num_replicates=settings.num_replicates,
        seed=settings.seed,
    )


def beside_baseline(
    project: Project[Settings],
    policy: dict[str, Any],
    theirs: dict[str, Interval],
    gained: dict[str, Interval],
) -> dict[str, Any]:
    """What the report says of the baseline: its policy, its measures, what the model gains."""
    return {
        "name": part(project.modality, "evaluation.baseline").NAME,
        "policy": policy,
        **as_dicts(theirs),
        "gains": as_dicts(gained)["metrics"],
    }


def operations_of_baseline(
    project: Project[Settings], train: pl.DataFrame, model: prediction.Predictor
) -> float | None:
    """What fitting the baseline takes in arithmetic; None where its modality does not count it."""
    count = getattr(part(project.modality, "evaluation.baseline"), "operations", None)
    return None if count is None else float(count(train, model.encoder, model.outcome))


def beside_champion(
    project: Project[Settings], paths: Paths, new: Decider | Answerer
) -> dict[str, Any]:
    """What the new model gains over the live one, resampled as this stage's settings have it."""
    return against_champion(
        paths,
        project.modality,
        project.columns,
        new,
        partial(resampled, settings=project.settings),
        project.settings.confidence,
    )


def resampled(
    statistics: Callable[[Floats], dict[str, float]], num_rows: int, settings: Settings
) -> dict[str, Interval]:
    """The bootstrap as this stage's settings have it."""
    return bootstrap(
        statistics,
        num_rows,
        confidence=settings.confidence,
        num_replicates=settings.num_replicates,
        seed=settings.seed,
    )


def as_dicts(intervals: dict[str, Interval]) -> dict[str, Any]:
    return {"metrics": {name: interval.as_dict() for name, interval in intervals.items()}}


def run_outputs(project: Project[Settings], paths: Paths) -> None:
    """Several classes, or a number: decided without a threshold."""
    columns, settings = project.columns, project.settings
    test = read_parquet(paths.input("split", "test.parquet"))
    calibration = read_parquet(paths.input("split", "calibration.parquet"))
    model = prediction.load(paths.input("train", ""), project.modality)
    outcome = model.outcome
    truth = outcome.truth(test, columns)
    policy = OutputPolicy.from_dict(read_json(paths.input("calibrate", "policy.json")))
    train = read_parquet(paths.input("balance", "train.parquet"))
    fitting, testing = part(project.modality, "evaluation.baseline").logits(
        train, [calibration, test], columns, model.encoder, settings.seed, outcome
    )
    baseline = fit_outputs(outcome, fitting, outcome.truth(calibration, columns))
    ours = scored(outcome, policy, model.logits(test), truth)
    theirs = scored(outcome, baseline, testing, truth)
    measured, measured_of_theirs, gained = paired(
        ours.metrics, theirs.metrics, columns, test.height, settings
    )
    report = {
        "num_rows": test.height,
        "task": outcome.task,
        "confidence": settings.confidence,
        "num_replicates": settings.num_replicates,
        "policy": policy.as_dict(),
        "model": as_dicts(measured),
        "baseline": {
            **beside_baseline(project, baseline.as_dict(), measured_of_theirs, gained),
            "operations": operations_of_baseline(project, train, model),
        },
        "champion": beside_champion(
            project,
            paths,
            Answerer(test, truth, ours.answers[EXPECTED[outcome.task]].to_numpy(), outcome),
        ),
        "slices": slices_of(test, ours, project),
    }
    if ours.confusion:
        report["confusion"] = {"classes": list(outcome.classes), "counts": ours.confusion}
    predictions = {
        "_row": test["_row"],
        "label": labels_of(outcome, truth),
        **ours.answers,
        **{
            f"baseline_{name}": values
            for name, values in theirs.answers.items()
            if name in BASELINE_ANSWERS
        },
    }
    curves = {"roc.csv": ours.roc, "reliability.csv": ours.reliability}
    write(paths, pl.DataFrame(predictions), curves, report)


def slices_of(test: pl.DataFrame, ours: Scored, project: Project[Settings]) -> Any:
    """Accuracy by slice or, of a number, mean absolute error by slice."""
    of_modality = part(project.modality, "evaluation.slices").slices_of(test, project.columns)
    misses, least = pl.Series(ours.misses), project.settings.min_slice_rows
    if project.columns.task == "regression":
        return slices.mean_absolute_error(of_modality, misses, least)
    return slices.accuracy(of_modality, misses == 0, least)


def write(
    paths: Paths,
    predictions: pl.DataFrame,
    curves: dict[str, list[dict[str, float]]],
    report: dict[str, Any],
) -> None:
    """All files of the stage; the metrics are those that the report has of the model."""
    write_parquet(paths.output("predictions.parquet"), predictions)
    for name, points in curves.items():
        write_csv(paths, name, points)
    write_json(paths.output("report.json"), report)
    found = report["model"]["metrics"]
    write_json(paths.output("metrics.json"), {name: one["value"] for name, one in found.items()})


def write_csv(paths: Paths, name: str, rows: list[dict[str, float]]) -> None:
    table = pl.DataFrame(rows) if rows else pl.DataFrame(schema=CURVES[name])
    with replacing(paths.output(name)) as temporary:
        table.write_csv(temporary)
