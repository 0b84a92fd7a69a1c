"""One point measured on validation rows: quality, gaps, and what the gate would say on them.

The functions of `evaluate`, `assess` and `gate` are used on the validation part, so that a point is
measured as the model will be. The test part is not opened.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.assess import stage as assess
from pipeline.core.dataset.labels import positives
from pipeline.core.files import read_json, read_parquet
from pipeline.core.metrics.metrics import BinaryMetrics
from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.prediction.decisions import decided
from pipeline.core.prediction.output_policy import read_policy
from pipeline.core.prediction.policy import Policy
from pipeline.core.scoring.scored import labels_of, scored
from pipeline.core.settings.project import Project, load_project
from pipeline.core.statistics.intervals import Interval, replicates
from pipeline.core.verdict.deciding import decide
from pipeline.core.verdict.gate_rules import Rule
from pipeline.evaluate import stage as evaluate
from pipeline.gate import stage as gate

Statistics = Callable[[NDArray[np.float64]], dict[str, float]]

NUM_REPLICATES = 500
"""Of the quality's bootstrap: fewer than `evaluate` takes, as no gate decides on it."""
MIN_GROUP_SIZE = 30


def measure(root: Path, project: str) -> dict[str, Any]:
    """Measure the model and policy that are built in this checkout.

    A group counts from as many validation rows as the same share of it would have in the test part,
    so that the groups that the gate compares are compared here.

    Raises:
        PipelineError: what the settings or the stages' functions refuse; a file is absent.
    """
    paths = Paths(root, project, "calibrate")
    evaluated = load_project(root, project, "evaluate", evaluate.Settings, evaluate.SECTIONS)
    assessed = load_project(root, project, "assess", assess.Settings, assess.SECTIONS)
    given = load_project(root, project, "gate", gate.Settings, gate.SECTIONS).settings.rules
    limits = [rule for rule in given if rule.against is None]  # the champion knows these rows
    validation = read_parquet(paths.input("split", "validation.parquet"))
    ratio = validation.height / num_test_rows(paths)
    settings = assessed.settings.model_copy(
        update={"min_group_size": scaled(assessed.settings.min_group_size, ratio)}
    )
    predictions, statistics = answers(evaluated, paths, validation)
    values = statistics(np.ones(validation.height))
    drawn = replicates(
        statistics, validation.height, num_replicates=NUM_REPLICATES, seed=evaluated.settings.seed
    )
    columns = assessed.columns
    found = assess.predicted(predictions, "", columns)
    by_group = assess.assessed(found, validation, columns, settings)
    task = {"task": columns.task}
    assessment = {**task, **settings.model_dump(mode="json"), "model": by_group}
    confidence = evaluated.settings.confidence
    rules = []
    for rule in (one.model_copy(update=_least(one, ratio)) for one in limits):
        own = rule.confidence or confidence
        spans = {"metrics": _spans(values, drawn, own)}
        evaluation = {**task, "confidence": own, "model": spans}
        rules.append(decide(rule, evaluation, assessment, "model"))
    return {
        "num_rows": validation.height,
        "min_group_size": settings.min_group_size,
        "metrics": _spans(values, drawn, confidence),
        "replicates": {name: [round(one[name], 5) for one in drawn] for name in values},
        "gaps": {by: _spans_of(entry["gaps"]) for by, entry in by_group.items()},
        "rules": rules,
        "num_rules_left": len(given) - len(limits),
        "outcome": gate.total(rules),
    }


def _spans_of(gaps: dict[str, Any]) -> dict[str, Any]:
    """The gaps that could be measured, with their bounds alone."""
    return {
        name: {key: gap[key] for key in ("value", "low", "high")}
        for name, gap in gaps.items()
        if gap is not None
    }


def _least(rule: Rule, ratio: float) -> dict[str, int]:
    """A rule's own least size of a group, scaled as that of `assess`."""
    least = rule.min_group_size
    return {} if least is None else {"min_group_size": scaled(least, ratio)}


def answers(
    project: Project[Any], paths: Paths, table: pl.DataFrame
) -> tuple[pl.DataFrame, Statistics]:
    """What the model says of rows, as `evaluate` writes it, and all measures by rows' weights."""
    model = prediction.load(paths.input("train", ""), project.modality)
    policy = read_policy(paths.output("policy.json"))
    if isinstance(policy, Policy):
        probability = policy.probability(model.logits(table))
        decisions = decided(policy, model, table, probability).astype(np.int8)
        labels = positives(table, project.columns).to_numpy().astype(np.int8)
        found = {"label": labels, "probability": probability, "decision": decisions}
        statistics = BinaryMetrics.of(labels.astype(float), probability, decisions.astype(float))
        return pl.DataFrame(found), statistics
    truth = model.outcome.truth(table, project.columns)
    ours = scored(model.outcome, policy, model.logits(table), truth)
    predictions = pl.DataFrame({"label": labels_of(model.outcome, truth), **ours.answers})
    if project.columns.task == "multiclass":  # `assess` takes the classes of both models
        predictions = predictions.with_columns(baseline_decision=pl.col("decision"))
    return predictions, ours.metrics


def num_test_rows(paths: Paths) -> int:
    """How many rows the test part has, by split's report: the part itself stays closed."""
    return int(read_json(paths.input("split", "report.json"))["parts"]["test"]["rows"])


def scaled(min_group_size: int, ratio: float) -> int:
    """The least size of a group among so many times as many rows."""
    return max(min(min_group_size, MIN_GROUP_SIZE), round(min_group_size * ratio))


def _spans(
    values: dict[str, float], drawn: list[dict[str, float]], confidence: float
) -> dict[str, dict[str, float]]:
    ends = [1 - confidence, confidence]
    found = {}
    for name, value in values.items():
        low, high = np.quantile([one[name] for one in drawn], ends)
        found[name] = Interval(value, float(low), float(high)).as_dict()
    return found
