"""How good predicted numbers are; the names are scikit-learn's, and so are the values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RegressionMetrics:
    """Measures of predicted numbers on fixed rows, as functions of the rows' weights.

    Attributes:
        truth: Shape (rows,).
        prediction: Shape (rows,).
    """

    truth: Floats
    prediction: Floats

    def __call__(self, weights: Floats) -> dict[str, float]:
        """All measures with these row weights, shape (rows,)."""
        total = weights.sum()
        error = self.prediction - self.truth
        squared = (weights * error**2).sum()
        mean = (weights * self.truth).sum() / total
        variation = (weights * (self.truth - mean) ** 2).sum()
        return {
            "mean_absolute_error": float((weights * np.abs(error)).sum() / total),
            "root_mean_squared_error": float(np.sqrt(squared / total)),
            "r2": _r2(float(squared), float(variation)),
        }


def _r2(squared: float, variation: float) -> float:
    """The share of the truth's variation that is predicted; as scikit-learn has it, rows of one
    truth give 1 when all are met and 0 when not."""
    if variation == 0:
        return float(squared == 0)
    return 1 - squared / variation
