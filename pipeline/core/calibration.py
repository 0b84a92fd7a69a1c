"""Fitting a decision policy on rows that the model was not trained on."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Objective = Literal["accuracy", "balanced_accuracy"]
THRESHOLDS = np.round(np.arange(0.05, 0.951, 0.01), 2)


def fit_temperature(logits: Floats, labels: Floats) -> float:
    """The temperature with the least log loss.

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017.

    Args:
        logits: Shape (rows,).
        labels: 0 or 1, shape (rows,).
    """
    from scipy.optimize import minimize_scalar

    signed = np.where(labels == 1, logits, -logits)

    def log_loss(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, -signed / np.exp(log_temperature)).mean())

    found = minimize_scalar(log_loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return round(float(np.exp(found.x)), 6)


def choose_threshold(probability: Floats, labels: Floats, maximise: Objective) -> float:
    """The threshold, in hundredths, that is best on these rows; of equals the one nearest to 0.5.

    Args:
        probability: Shape (rows,).
        labels: 0 or 1, shape (rows,).
        maximise: `accuracy` or `balanced_accuracy`.
    """
    decisions = probability[:, None] >= THRESHOLDS
    hits = decisions == (labels[:, None] == 1)
    if maximise == "accuracy":
        score = hits.mean(axis=0)
    else:
        score = (hits[labels == 1].mean(axis=0) + hits[labels == 0].mean(axis=0)) / 2
    best = np.flatnonzero(score == score.max())
    return float(THRESHOLDS[best[np.argmin(np.abs(THRESHOLDS[best] - 0.5))]])
