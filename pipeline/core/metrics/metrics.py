"""How good probabilities and decisions are; measures take row weights, so that one can resample.

The names are scikit-learn's, and so are the values: the tests compare them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NUM_BINS = 10
TINY = 1e-15
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class BinaryMetrics:
    """Measures of binary predictions on fixed rows, as functions of the rows' weights.

    Sorting is done once; each call is linear in the number of rows.

    Attributes:
        labels: 0 or 1, shape (rows,).
        probability: Of label 1, shape (rows,).
        decision: 0 or 1, shape (rows,).
    """

    labels: Floats
    probability: Floats
    decision: Floats
    order: NDArray[np.int64]
    last_of_tie: NDArray[np.int64]
    bins: NDArray[np.int64]

    @staticmethod
    def of(labels: Floats, probability: Floats, decision: Floats) -> "BinaryMetrics":
        order = np.argsort(-probability, kind="stable")
        ranked = probability[order]
        last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        bins = np.minimum((probability * NUM_BINS).astype(np.int64), NUM_BINS - 1)
        as_float = np.asarray(decision, dtype=float)
        return BinaryMetrics(
            np.asarray(labels, dtype=float), probability, as_float, order, last_of_tie, bins
        )

    def __call__(self, weights: Floats) -> dict[str, float]:
        """All measures with these row weights, shape (rows,)."""
        total = weights.sum()
        correct = weights * (self.decision == self.labels)
        positives = (weights * self.labels).sum()
        sensitivity = (correct * self.labels).sum() / max(positives, TINY)
        specificity = (correct * (1 - self.labels)).sum() / max(total - positives, TINY)
        clipped = np.clip(self.probability, EPSILON, 1 - EPSILON)
        log_likelihood = np.where(self.labels == 1, np.log(clipped), np.log1p(-clipped))
        roc_auc, average_precision = self._ranking(weights)
        return {
            "roc_auc": roc_auc,
            "average_precision": average_precision,
            "accuracy": float(correct.sum() / total),
            "balanced_accuracy": float((sensitivity + specificity) / 2),
            "log_loss": float(-(weights * log_likelihood).sum() / total),
            "brier_score": float((weights * (self.probability - self.labels) ** 2).sum() / total),
            "expected_calibration_error": self._calibration_error(weights),
        }

    def _ranking(self, weights: Floats) -> tuple[float, float]:
        """Area under the ROC curve (ties count half), and average precision."""
        ranked, labels = weights[self.order], self.labels[self.order]
        true = np.cumsum(ranked * labels)[self.last_of_tie]
        false = np.cumsum(ranked * (1 - labels))[self.last_of_tie]
        if true[-1] == 0 or false[-1] == 0:
            return 0.5, float(true[-1] > 0)
        gained = np.diff(true, prepend=0.0)
        area = np.sum(np.diff(false, prepend=0.0) * (true - gained / 2)) / (true[-1] * false[-1])
        precision = true / np.maximum(true + false, TINY)
        return float(area), float(np.sum(gained * precision) / true[-1])

    def _calibration_error(self, weights: Floats) -> float:
        """Expected calibration error over ten bins of equal width.

        Source: M. P. Naeini, G. Cooper, M. Hauskrecht, Obtaining well calibrated probabilities
        using Bayesian binning, AAAI 2015. It is a sum of absolute values, so resampling can only
        add to it: its bootstrap bounds lie a little high, which is the careful side of a limit.
        """
        gap = np.bincount(self.bins, weights * (self.probability - self.labels), NUM_BINS)
        return float(np.abs(gap).sum() / weights.sum())


def roc_curve(labels: Floats, probability: Floats, num_points: int) -> list[dict[str, float]]:
    """The ROC curve at up to `num_points` thresholds; rows of equal probability are one step."""
    false, true = roc_steps(labels, probability)
    chosen = np.unique(np.linspace(0, len(false) - 1, num_points).astype(int))
    return [
        {
            "false_positive_rate": round(float(false[i]), 6),
            "true_positive_rate": round(float(true[i]), 6),
        }
        for i in chosen
    ]


def roc_steps(labels: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-probability, kind="stable")
    true = np.append(0.0, np.cumsum(labels[order]) / max(labels.sum(), 1))
    false = np.append(0.0, np.cumsum(1 - labels[order]) / max((1 - labels).sum(), 1))
    steps = np.flatnonzero(np.diff(probability[order])) + 1
    ends = np.concatenate(([0], steps, [len(labels)]))
    return false[ends], true[ends]


def reliability(labels: Floats, probability: Floats) -> list[dict[str, float]]:
    """Mean probability, share of positives and rows, by bins of equal width; no empty bins."""
    bins = np.minimum((probability * NUM_BINS).astype(int), NUM_BINS - 1)
    return [
        {
            "bin": int(index),
            "num_rows": int((bins == index).sum()),
            "mean_probability": round(float(probability[bins == index].mean()), 6),
            "positive_rate": round(float(labels[bins == index].mean()), 6),
        }
        for index in np.unique(bins)
    ]
