"""What is done with a network's outputs where no threshold decides: several classes, or a number.

Decided is the class with the highest probability, and a number is taken as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import damaged, read_json
from pipeline.core.prediction.policy import Policy
from pipeline.core.prediction.temperature import log_softmax

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OutputPolicy:
    """Attributes:
    temperature: Divides the logits of several classes; a number has none.
    """

    temperature: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The sensitive columns without which it cannot decide: never any."""
        return ()

    @property
    def by_group(self) -> None:
        """Thresholds of groups: there are none."""
        return None

    def as_dict(self) -> dict[str, Any]:
        """Its part of policy.json."""
        if self.temperature is None:
            return {"task": "regression"}
        return {"task": "multiclass", "temperature": self.temperature}

    @staticmethod
    def from_dict(state: Mapping[str, Any]) -> "OutputPolicy":
        if state["task"] == "regression":
            return OutputPolicy()
        return OutputPolicy(float(state["temperature"]))

    def probability(self, logits: Floats) -> Floats:
        """The calibrated probability of each class, shape (rows, classes)."""
        return np.exp(log_softmax(logits, self.temperature or 1.0))


def policy_of(state: Mapping[str, Any]) -> Policy | OutputPolicy:
    """The policy that the content of policy.json names, of whatever task."""
    return OutputPolicy.from_dict(state) if "task" in state else Policy.from_dict(state)


def read_policy(source: Path) -> Policy | OutputPolicy:
    """The policy in a file, of whatever task.

    Raises:
        ArtifactMissing: it is absent or damaged.
    """
    state = read_json(source)
    try:
        return policy_of(state)
    except (AttributeError, KeyError, TypeError) as error:
        raise damaged(source, "policy", error) from None
