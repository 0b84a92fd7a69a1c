"""What a model of several classes, or of a number, says of rows, and how good that is.

The binary task has a policy with a threshold, `core.prediction.policy`; these have another one,
`pipeline.core.prediction.output_policy`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.metrics import multiclass
from pipeline.core.metrics.metrics import reliability
from pipeline.core.metrics.multiclass import MulticlassMetrics
from pipeline.core.metrics.regression import RegressionMetrics
from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.temperature import fit_temperature

Floats = NDArray[np.float64]
NUM_CURVE_POINTS = 200


def fit_policy(
    outcome: Outcome, outputs: Floats, truth: NDArray[Any], temperature: float | None = None
) -> OutputPolicy:
    """The policy that these rows give.

    Args:
        outcome: Of the model.
        outputs: Of its network, shape (rows, classes) or (rows,).
        truth: From `Outcome.truth`, shape (rows,).
        temperature: Taken instead of a fitted one.
    """
    if outcome.task == "regression":
        return OutputPolicy()
    return OutputPolicy(temperature or fit_temperature(outputs, truth))


@dataclass(frozen=True)
class Scored:
    """Attributes:
    answers: What predictions.parquet holds of each row: `decision`, its `probability` and the
        `probabilities` of all classes, in their order; or `prediction`.
    metrics: All measures, as a function of the rows' weights, shape (rows,).
    misses: Of each row, 1 where the decision is wrong, or the absolute error; shape (rows,).
    roc: Points of the mean ROC curve; none of a number.
    reliability: Of the decided class's probability, by bins; none of a number.
    confusion: Numbers of rows by label and decision, (classes, classes); none of a number.
    """

    answers: dict[str, pl.Series]
    metrics: Callable[[Floats], dict[str, float]]
    misses: Floats
    roc: list[dict[str, float]]
    reliability: list[dict[str, float]]
    confusion: list[list[int]] = field(default_factory=list)


def scored(outcome: Outcome, policy: OutputPolicy, outputs: Floats, truth: NDArray[Any]) -> Scored:
    """A model's outputs for rows beside their truth; shapes as in `fit_policy`."""
    if outcome.task == "regression":
        prediction = outcome.in_units(outputs)
        return Scored(
            answers={"prediction": pl.Series(prediction)},
            metrics=RegressionMetrics(truth, prediction),
            misses=np.abs(prediction - truth),
            roc=[],
            reliability=[],
        )
    probability = policy.probability(outputs)
    decision, highest = probability.argmax(axis=1), probability.max(axis=1)
    metrics = MulticlassMetrics.of(truth, probability)
    return Scored(
        answers={
            "decision": names_of(outcome, decision),
            "probability": pl.Series(highest),
            "probabilities": pl.Series(probability),
        },
        metrics=metrics,
        misses=(decision != truth).astype(float),
        roc=multiclass.roc_curve(truth, probability, NUM_CURVE_POINTS),
        reliability=reliability((decision == truth).astype(float), highest),
        confusion=metrics.confusion(np.ones(len(truth))).astype(int).tolist(),
    )


def names_of(outcome: Outcome, indices: NDArray[Any]) -> pl.Series:
    """Classes by their names, shape (rows,)."""
    return pl.Series(np.array(outcome.classes, dtype=object)[indices], dtype=pl.String)


def labels_of(outcome: Outcome, truth: NDArray[Any]) -> pl.Series:
    """The truth as predictions.parquet holds it: a class's name, or a number."""
    return pl.Series(truth) if outcome.task == "regression" else names_of(outcome, truth)
