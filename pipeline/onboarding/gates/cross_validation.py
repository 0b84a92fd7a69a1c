"""What a cheap baseline reaches on training rows that it was not fitted to.

`hallmark init` proposes the gate's limits from it; the test part stays closed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.metrics.metrics import BinaryMetrics
from pipeline.core.prediction import calibration, outcome
from pipeline.core.scoring import scored
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.statistics.intervals import Interval, bootstrap

MAX_ROWS = 20_000
"""More rows than these move no limit by a hundredth; those with the smallest keys are taken."""
NUM_FOLDS = 5
NUM_REPLICATES = 100
KEY = "_key"
IMPOSSIBLE = -30.0
"""The logit of a class that a fold's training rows lack."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossValidated:
    """Predictions of rows by models that were fitted without them.

    Attributes:
        rows: The rows, in this order.
        predicted: What the baseline predicts: the classes, or the number.
        truth: Each row's target: 0.0 or 1.0, a class's index, or the number; shape (rows,).
        decisions: 0.0 or 1.0, a class's index, or the predicted number; shape (rows,).
        probability: Of a binary task, calibrated; shape (rows,). Of others empty.
        metrics: What was reached, with its standard error on this many rows.
        chance: What the best constant answer reaches.
    """

    rows: pl.DataFrame
    predicted: outcome.Outcome
    truth: NDArray[Any]
    decisions: NDArray[Any]
    probability: Floats
    metrics: dict[str, Interval]
    chance: dict[str, float]


def cross_validated(
    train: pl.DataFrame, columns: Columns, modality: str, seed: int = 0
) -> CrossValidated:
    """Fit the modality's baseline on all folds but one, for each fold in turn.

    Args:
        train: Rows of the training part; rows of one `_key`, which `split` gives, share a fold.
        columns: What each column is for.
        modality: The kind of data.
        seed: Of the baseline and of the resampling.
    """
    rows = train if train.height <= MAX_ROWS else train.sort(KEY).head(MAX_ROWS)
    predicted = outcome.fit(rows, columns)
    truth = predicted.truth(rows, columns)
    outputs = _held_out(rows, columns, modality, predicted, truth, seed)
    decisions, probability, statistics = _decided(predicted, outputs, truth)
    found = bootstrap(
        statistics, rows.height, confidence=0.95, num_replicates=NUM_REPLICATES, seed=seed
    )
    return CrossValidated(
        rows, predicted, truth, decisions, probability, found, _chance(predicted, truth)
    )


def _held_out(
    rows: pl.DataFrame,
    columns: Columns,
    modality: str,
    predicted: outcome.Outcome,
    truth: NDArray[Any],
    seed: int,
) -> Floats:
    """The baseline's output for each row, fitted without the row's fold."""
    encoding, baseline = part(modality, "model.encoding"), part(modality, "evaluation.baseline")
    settings = part(modality, "settings").EncoderSettings()
    fold = folds(rows, truth if predicted.task != "regression" else None)
    shape = (rows.height, predicted.num_outputs) if predicted.num_outputs > 1 else (rows.height,)
    outputs = np.full(shape, IMPOSSIBLE if predicted.task == "multiclass" else 0.0)
    for number in np.unique(fold):
        inside = fold == number
        fitting, held_out = rows.filter(pl.Series(~inside)), rows.filter(pl.Series(inside))
        encoder = encoding.fit(fitting, columns, settings)
        (found,) = baseline.logits(fitting, [held_out], columns, encoder, seed, predicted)
        if found.ndim == 2 and found.shape[1] < predicted.num_outputs:
            outputs[np.ix_(inside, np.unique(truth[~inside]))] = found
        else:
            outputs[inside] = found
    return outputs


def folds(rows: pl.DataFrame, classes: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Each row's fold by its key; where that leaves a class out, by its place in its class."""
    if KEY not in rows.columns:
        return np.arange(rows.height) % NUM_FOLDS
    by_key: NDArray[np.int64] = (rows[KEY].to_numpy() % NUM_FOLDS).astype(np.int64)
    if classes is None:
        return by_key
    num_classes = len(np.unique(classes))
    if all(len(np.unique(classes[by_key != one])) == num_classes for one in np.unique(by_key)):
        return by_key
    placed = rows.select(KEY).with_columns(of=pl.Series(classes))
    rank = placed.select(pl.col(KEY).rank("dense").over("of")).to_series()
    return rank.to_numpy().astype(np.int64) % NUM_FOLDS


def _decided(
    predicted: outcome.Outcome, outputs: Floats, truth: NDArray[Any]
) -> tuple[NDArray[Any], Floats, Callable[[Floats], dict[str, float]]]:
    """Decisions, probabilities of a binary task, and the measures as functions of weights."""
    if predicted.task == "binary":
        policy = calibration.fit_policy(outputs, truth, "accuracy")
        probability = policy.probability(outputs)
        decisions = policy.decide(probability).astype(float)
        return decisions, probability, BinaryMetrics.of(truth, probability, decisions)
    policy_of_outputs = scored.fit_policy(predicted, outputs, truth)
    result = scored.scored(predicted, policy_of_outputs, outputs, truth)
    if predicted.task == "regression":
        return predicted.in_units(outputs), np.zeros(0), result.metrics
    return policy_of_outputs.probability(outputs).argmax(axis=1), np.zeros(0), result.metrics


def _chance(predicted: outcome.Outcome, truth: NDArray[Any]) -> dict[str, float]:
    """What the best constant answer reaches: of a number its mean or median, of classes the
    most frequent one."""
    if predicted.task == "regression":
        deviation = float(np.abs(truth - np.median(truth)).mean())
        return {"r2": 0.0, "mean_absolute_error": deviation}
    shares = np.bincount(truth.astype(np.int64)) / len(truth)
    most = float(shares.max())
    if predicted.task == "binary":
        return {"roc_auc": 0.5, "accuracy": most, "average_precision": float(truth.mean())}
    return {"accuracy": most, "f1_macro": 2 * most / (1 + most) / len(predicted.classes)}
