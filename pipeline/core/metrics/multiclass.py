"""How good decisions and probabilities of several classes are.

The names of the measures are scikit-learn's, and so are the values: the tests compare them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.metrics.metrics import EPSILON, roc_steps

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class MulticlassMetrics:
    """Measures of decisions among several classes on fixed rows, as functions of row weights.

    Attributes:
        cell: Of each row, label · classes + decision, shape (rows,).
        surprise: Minus the logarithm of the probability that the true class was given, (rows,).
        num_classes: How many there are.
    """

    cell: Indices
    surprise: Floats
    num_classes: int

    @staticmethod
    def of(labels: Indices, probability: Floats) -> "MulticlassMetrics":
        """Decided is the class with the highest probability, the first of equal ones.

        Args:
            labels: Each row's class by its index, shape (rows,).
            probability: Shape (rows, classes).
        """
        num_classes = probability.shape[1]
        given = probability[np.arange(len(labels)), labels]
        surprise = -np.log(np.clip(given, EPSILON, 1 - EPSILON))
        return MulticlassMetrics(
            labels * num_classes + probability.argmax(axis=1), surprise, num_classes
        )

    def confusion(self, weights: Floats) -> Floats:
        """Rows by their label and by what was decided, shape (classes, classes)."""
        counts = np.bincount(self.cell, weights, self.num_classes**2)
        return np.asarray(counts.reshape(self.num_classes, self.num_classes), dtype=float)

    def __call__(self, weights: Floats) -> dict[str, float]:
        """All measures with these row weights, shape (rows,).

        A class that no row has is left out of balanced accuracy, and of the macro F1 when it is
        not decided either.
        """
        counts = self.confusion(weights)
        right, rows, decided = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        there, seen = rows > 0, rows + decided > 0
        return {
            "accuracy": float(right.sum() / weights.sum()),
            "balanced_accuracy": float((right[there] / rows[there]).mean()),
            "f1_macro": float((2 * right[seen] / (rows + decided)[seen]).mean()),
            "log_loss": float((weights * self.surprise).sum() / weights.sum()),
        }


def roc_curve(labels: Indices, probability: Floats, num_points: int) -> list[dict[str, float]]:
    """The mean of the classes' ROC curves, each class against the rest, at `num_points` places.

    Classes that no row has, or that every row has, have no curve.
    """
    places = np.linspace(0, 1, num_points)
    curves = []
    for index in range(probability.shape[1]):
        of_class = (labels == index).astype(float)
        if 0 < of_class.sum() < len(of_class):
            curves.append(np.interp(places, *roc_steps(of_class, probability[:, index])))
    if not curves:
        return []
    mean = np.mean(curves, axis=0)
    mean[0] = 0.0
    return [
        {
            "false_positive_rate": round(float(place), 6),
            "true_positive_rate": round(float(rate), 6),
        }
        for place, rate in zip(places, mean, strict=True)
    ]
