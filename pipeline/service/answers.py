"""What the service says of rows, by the task: one of two classes, one of several, or a number.

Each kind of answer also says of itself what the documents and the page tell people.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.policy import Policy, draws
from pipeline.core.settings.columns import Task
from pipeline.service.requests import Encoded

DECIMALS = 9
"""Of probabilities."""
CONTRIBUTION_DECIMALS = 6
"""Of logits."""
SIGNIFICANT = 7
"""Decimals of a number that is as large as the target's standard deviation: what 32 bits hold."""
WARNINGS = {"warnings": {"type": "array", "items": {"type": "string"}}}
PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}

Floats = NDArray[np.float64]
Prediction = dict[str, Any]


class Answers(Protocol):
    """What is said of rows.

    Attributes:
        counted: The key of an answer that the service's metrics count.
        unit: What contributions are counted in.
        step: How much one step of the network's output is in that unit.
        decimals: Of a contribution.
    """

    counted: str
    unit: str
    step: float
    decimals: int

    def of(self, outputs: Floats, encoded: Encoded, groups: Sequence[str]) -> list[Prediction]:
        """Each row's answer: from the network's outputs, what it was given, and its group."""

    def properties(self) -> dict[str, Any]:
        """An answer's keys in JSON Schema."""

    def described(self) -> dict[str, Any]:
        """The part of /schema that says what is answered, and how it is decided."""

    def buckets(self) -> list[float]:
        """Of the histogram of predicted numbers; none where labels are counted."""


class BinaryAnswers:
    """One of two classes, decided by a policy with a threshold, or with those of groups.

    Args:
        policy: Decides.
        labels: The names of the negative and the positive class.
    """

    counted, unit, step, decimals = "label", "logits", 1.0, CONTRIBUTION_DECIMALS

    def __init__(self, policy: Policy, labels: Sequence[str]) -> None:
        self.policy, self.labels = policy, (labels[0], labels[1])

    def of(self, outputs: Floats, encoded: Encoded, groups: Sequence[str]) -> list[Prediction]:
        probability = self.policy.probability(outputs)
        by_group = self.policy.by_group
        if by_group is None:
            decisions = self.policy.decide(probability).tolist()
            warnings: list[list[str]] = [[] for _ in decisions]
        else:
            drawn = draws(encoded, by_group.salt)
            decisions = self.policy.decide(probability, groups, drawn).tolist()
            warnings = [[] if name in by_group.groups else [self.fallback] for name in groups]
        return [
            {
                "label": self.labels[decision],
                "probability": round(value, DECIMALS),
                "decision": decision,
                "warnings": warned,
            }
            for value, decision, warned in zip(
                probability.tolist(), decisions, warnings, strict=True
            )
        ]

    @property
    def fallback(self) -> str:
        """Said of a row whose group has no thresholds of its own."""
        return (
            f"{' and '.join(self.policy.columns)}: this group has no thresholds of its own; the "
            "one for everybody decided"
        )

    def properties(self) -> dict[str, Any]:
        return {
            "label": {
                "type": "string",
                "description": "The decided class",
                "enum": list(self.labels),
            },
            "probability": PROBABILITY,
            "decision": {
                "type": "boolean",
                "description": "Whether the positive class was decided",
            },
            **WARNINGS,
        }

    def described(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "threshold": self.policy.threshold,
            "decides_by": list(self.policy.columns),
        }

    def buckets(self) -> list[float]:
        return []


class ClassAnswers:
    """One of several classes: the one with the highest probability, the first of equal ones.

    Args:
        policy: From logits to probabilities.
        labels: The classes' names, in the order of the network's outputs.
    """

    counted, step, decimals = "label", 1.0, CONTRIBUTION_DECIMALS
    unit = "logits of the decided class"

    def __init__(self, policy: OutputPolicy, labels: Sequence[str]) -> None:
        self.policy, self.labels = policy, tuple(labels)

    def of(self, outputs: Floats, _encoded: Encoded, _groups: Sequence[str]) -> list[Prediction]:
        probability = self.policy.probability(outputs)
        decided = probability.argmax(axis=1).tolist()
        return [
            {
                "label": self.labels[index],
                "probability": values[index],
                "probabilities": dict(zip(self.labels, values, strict=True)),
                "warnings": [],
            }
            for index, values in zip(decided, np.round(probability, DECIMALS).tolist(), strict=True)
        ]

    def properties(self) -> dict[str, Any]:
        return {
            "label": {
                "type": "string",
                "description": "The decided class: the one with the highest probability",
                "enum": list(self.labels),
            },
            "probability": {**PROBABILITY, "description": "Of the decided class"},
            "probabilities": {
                "type": "object",
                "description": "Of each class; they add up to 1",
                "properties": dict.fromkeys(self.labels, PROBABILITY),
                "required": list(self.labels),
                "additionalProperties": False,
            },
            **WARNINGS,
        }

    def described(self) -> dict[str, Any]:
        return {"task": "multiclass", "labels": list(self.labels), "decides_by": []}

    def buckets(self) -> list[float]:
        return []


class NumberAnswers:
    """A number in the target's own units.

    Args:
        outcome: Says what one step of the network's output is.
        target: The name of what is predicted.
    """

    counted = "prediction"

    def __init__(self, outcome: Outcome, target: str) -> None:
        self.outcome, self.target = outcome, target
        self.unit, self.step = f"units of {target}", outcome.scale
        self.decimals = max(SIGNIFICANT - math.floor(math.log10(outcome.scale)), 0)

    def of(self, outputs: Floats, _encoded: Encoded, _groups: Sequence[str]) -> list[Prediction]:
        predicted = self.outcome.in_units(outputs).tolist()
        return [{"prediction": round(one, self.decimals), "warnings": []} for one in predicted]

    def properties(self) -> dict[str, Any]:
        words = f"What {self.target} is predicted to be, in its own units"
        return {"prediction": {"type": "number", "description": words}, **WARNINGS}

    def described(self) -> dict[str, Any]:
        return {"task": "regression", "target": self.target, "decides_by": []}

    def buckets(self) -> list[float]:
        """Half a standard deviation wide, to three beyond the mean of the training rows."""
        places = [self.outcome.mean + step / 2 * self.outcome.scale for step in range(-6, 7)]
        return [round(place, max(self.decimals - SIGNIFICANT + 2, 0)) for place in places]


def table_columns(task: Task, labels: Sequence[str]) -> dict[str, str]:
    """Answers as columns of a table, without warnings, and the columns' types as MLflow has them.

    Args:
        task: Of the project.
        labels: The classes' names; none of a number.
    """
    if task == "regression":
        return {"prediction": "double"}
    found = {"label": "string", "probability": "double"}
    if task == "binary":
        return {**found, "decision": "boolean"}
    return {**found, **{f"probability_{name}": "double" for name in labels}}


def answers_of(
    policy: Policy | OutputPolicy, outcome: Outcome, labels: Sequence[str], target: str
) -> Answers:
    """What a model answers.

    Args:
        policy: From policy.json.
        outcome: From model.json.
        labels: The classes' names; none of a number.
        target: The column that is predicted.
    """
    if isinstance(policy, Policy):
        return BinaryAnswers(policy, labels)
    if outcome.task == "regression":
        return NumberAnswers(outcome, target)
    return ClassAnswers(policy, labels)
