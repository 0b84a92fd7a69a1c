"""Fitting a decision policy on rows that the model was not trained on."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.prediction.policy import Policy

Floats = NDArray[np.float64]
Objective = Literal["accuracy", "balanced_accuracy"]
THRESHOLDS = np.round(np.arange(0.05, 0.951, 0.01), 2)


def fit_temperature(logits: Floats, labels: Floats) -> float:
    """The temperature with the least log loss.

    One row of each class is reckoned in beside the labels, shared among all rows: else the least
    loss of few rows that are all decided right is at no temperature, with probabilities of 0 and 1.

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017; the targets are
    those of J. Platt, Probabilistic outputs for support vector machines, 1999, without his classes'
    own sizes.

    Args:
        logits: Shape (rows,).
        labels: 0 or 1, shape (rows,).
    """
    from scipy.optimize import minimize_scalar

    signed = np.where(labels == 1, logits, -logits)
    other = 1 / (len(labels) + 2)

    def log_loss(log_temperature: float) -> float:
        scaled = signed / np.exp(log_temperature)
        surprise = (1 - other) * np.logaddexp(0.0, -scaled) + other * np.logaddexp(0.0, scaled)
        return float(surprise.mean())

    found = minimize_scalar(log_loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return round(float(np.exp(found.x)), 6)


def choose_threshold(
    probability: Floats,
    labels: Floats,
    maximise: Objective,
    allowed: NDArray[np.bool_] | None = None,
) -> float:
    """A threshold, in hundredths, that these rows cannot tell from the best one.

    The score is flat around its best threshold, and where it happens to be highest is mostly noise
    that would move every group's selection rate. So, of all thresholds within one standard error
    of the highest score (L. Breiman et al., Classification and regression trees, 1984, section
    3.4.3), the one nearest to the optimum of calibrated probabilities is taken: 0.5 for accuracy,
    the share of positives for balanced accuracy (C. Elkan, The foundations of cost-sensitive
    learning, IJCAI 2001).

    Args:
        probability: Calibrated, shape (rows,).
        labels: 0 or 1, both present, shape (rows,).
        maximise: `accuracy` or `balanced_accuracy`.
        allowed: Which of THRESHOLDS may be taken, at least one; all when not given.
    """
    hits = (probability[:, None] >= THRESHOLDS) == (labels[:, None] == 1)
    classes = [hits] if maximise == "accuracy" else [hits[labels == 1], hits[labels == 0]]
    rates = [rows.mean(axis=0) for rows in classes]
    variances = [rate * (1 - rate) / len(rows) for rate, rows in zip(rates, classes, strict=True)]
    score = np.mean(rates, axis=0)
    error = np.sqrt(np.sum(variances, axis=0)) / len(classes)
    score = score if allowed is None else np.where(allowed, score, -np.inf)
    best = int(score.argmax())
    good = np.flatnonzero(score >= score[best] - error[best])
    optimum = 0.5 if maximise == "accuracy" else labels.mean()
    return float(THRESHOLDS[good[np.argmin(np.abs(THRESHOLDS[good] - optimum))]])


def fit_policy(
    logits: Floats,
    labels: Floats,
    maximise: Objective,
    temperature: float | None = None,
    threshold: float | None = None,
) -> Policy:
    """The decision policy that these rows give.

    Args:
        logits: Shape (rows,).
        labels: 0 or 1, shape (rows,).
        maximise: What the threshold is chosen for.
        temperature: Taken instead of a fitted one.
        threshold: Taken instead of a chosen one.
    """
    temperature = temperature or fit_temperature(logits, labels)
    probability = Policy(temperature, 0.5).probability(logits)
    return Policy(temperature, threshold or choose_threshold(probability, labels, maximise))
