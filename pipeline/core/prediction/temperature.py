"""Probabilities of several classes from logits, and the temperature that calibrates them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Logarithms of the classes' probabilities, shape (rows, classes)."""
    scaled = np.asarray(logits, dtype=float) / temperature
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def fit_temperature(logits: Floats, labels: Indices) -> float:
    """The temperature with the least log loss.

    One row of each class is reckoned in beside the labels, shared among all rows: else the least
    loss of few rows that are all decided right is at no temperature, with probabilities of 0 and 1.

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017; the targets are
    those of J. Platt, Probabilistic outputs for support vector machines, 1999, for several classes.

    Args:
        logits: Shape (rows, classes).
        labels: Each row's class by its index, shape (rows,).
    """
    from scipy.optimize import minimize_scalar

    num_rows, num_classes = logits.shape
    targets = np.full(logits.shape, 1 / (num_rows + num_classes))
    targets[np.arange(num_rows), labels] *= num_rows + 1

    def log_loss(log_temperature: float) -> float:
        given = log_softmax(logits, float(np.exp(log_temperature)))
        return float(-(targets * given).sum(axis=1).mean())

    found = minimize_scalar(log_loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return round(float(np.exp(found.x)), 6)
