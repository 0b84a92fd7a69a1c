"""From a logit to a decision: the calibrated probability and the threshold."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Policy:
    """Attributes:
    temperature: Divides the logit; above 1 it makes probabilities less extreme.
    threshold: The least probability that is decided as positive.
    """

    temperature: float
    threshold: float

    def probability(self, logits: Floats) -> Floats:
        """Calibrated probabilities of the positive class, shape (rows,)."""
        scaled = np.asarray(logits, dtype=float) / self.temperature
        small = np.exp(-np.abs(scaled))  # the logistic function: never overflows, exact near 0
        return np.asarray(np.where(scaled >= 0, 1.0, small) / (1 + small))

    def decide(self, probability: Floats) -> NDArray[np.bool_]:
        return np.asarray(probability >= self.threshold)

    def as_dict(self) -> dict[str, float]:
        return asdict(self)

    @staticmethod
    def from_dict(state: dict[str, Any]) -> "Policy":
        return Policy(temperature=state["temperature"], threshold=state["threshold"])
