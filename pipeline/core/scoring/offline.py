"""What a model says of rows offline, and how a service's answers to the same rows compare with it.

One kind for each task; `expected` is kept with a registered version, so that a rollback compares
with the same: probabilities of the positive class, those of every class, or numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.prediction.outcome import Outcome
from pipeline.core.settings.columns import Task

EXPECTED: Mapping[Task, str] = {
    "binary": "probability",
    "multiclass": "probabilities",
    "regression": "prediction",
}
"""The column of predictions.parquet that is compared."""

Floats = NDArray[np.float64]
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Answers beside what is known offline.

    Attributes:
        largest: The largest difference of a probability or a number.
        passed: Whether all is as it must be.
        expected: What must be, in words.
        found: What was, in words.
    """

    largest: float
    passed: bool
    expected: str
    found: str


@dataclass(frozen=True)
class Decisions:
    """One of two classes.

    Attributes:
        expected: The probabilities of the positive class, shape (rows,).
        decisions: Shape (rows,).
        labels: The names of the negative and the positive class.
        tolerance: How far a probability may be off.
    """

    expected: Floats
    decisions: NDArray[np.bool_]
    labels: Sequence[str]
    tolerance: float

    compares: ClassVar[str] = "probabilities"

    def read(self, answer: Answer) -> Answer:
        """An answer's parts, each there and of its type; raises KeyError and TypeError."""
        return {
            "label": answer["label"],
            "probability": _number(answer, "probability"),
            "decision": _typed(answer, "decision", bool, "true or false"),
        }

    def compared(self, answers: Sequence[Answer]) -> Comparison:
        """Answers to the first rows, as `read` has them."""
        largest = _largest([one["probability"] for one in answers], self.expected)
        known = self.decisions[: len(answers)].tolist()
        num_others = sum(
            one["decision"] != is_so for one, is_so in zip(answers, known, strict=True)
        )
        num_wrong = sum(str(one["label"]) != self.labels[one["decision"]] for one in answers)
        return Comparison(
            largest,
            largest <= self.tolerance and not num_others and not num_wrong,
            f"the offline probabilities within {self.tolerance:g}, the same decisions and labels",
            f"at most {largest:.2g} from those of {len(answers)} rows, {num_others} other "
            f"decisions, {num_wrong} wrong labels",
        )


@dataclass(frozen=True)
class Classes:
    """One of several classes.

    Attributes:
        expected: The probabilities of all classes, shape (rows, classes).
        labels: The classes' names.
        tolerance: How far a probability may be off.
    """

    expected: Floats
    labels: Sequence[str]
    tolerance: float

    compares: ClassVar[str] = "probabilities"

    def read(self, answer: Answer) -> Answer:
        """As `Decisions.read`."""
        given = _typed(answer, "probabilities", dict, "an object")
        if list(given) != list(self.labels):
            raise TypeError("expected every class, and no other, under `probabilities`")
        return {
            "label": answer["label"],
            "probability": _number(answer, "probability"),
            "probabilities": [_number(given, name) for name in self.labels],
        }

    def compared(self, answers: Sequence[Answer]) -> Comparison:
        """As `Decisions.compared`."""
        found = np.array([one["probabilities"] for one in answers], dtype=float)
        largest = _largest(found, self.expected)
        known = self.expected[: len(answers)].argmax(axis=1)
        named = [str(one["label"]) for one in answers]
        num_others = sum(
            name != self.labels[i] or one["probability"] != one["probabilities"][i]
            for name, i, one in zip(named, known.tolist(), answers, strict=True)
        )
        off = float(np.abs(found.sum(axis=1) - 1).max())
        return Comparison(
            largest,
            largest <= self.tolerance and not num_others and off <= self.tolerance,
            f"the offline probabilities of all {len(self.labels)} classes within "
            f"{self.tolerance:g}, adding up to 1, and the same classes decided",
            f"at most {largest:.2g} from those of {len(answers)} rows, sums at most {off:.2g} "
            f"from 1, {num_others} other classes",
        )


@dataclass(frozen=True)
class Numbers:
    """A number.

    Attributes:
        expected: Predicted numbers, shape (rows,).
        outcome: Has the mean and the standard deviation of the target.
        tolerance: How far a number may be off, in standard deviations of the target, or in parts of
            its own distance from the mean where that is more.
    """

    expected: Floats
    outcome: Outcome
    tolerance: float

    compares: ClassVar[str] = "numbers"

    def read(self, answer: Answer) -> Answer:
        """As `Decisions.read`."""
        return {"prediction": _number(answer, "prediction")}

    def compared(self, answers: Sequence[Answer]) -> Comparison:
        """As `Decisions.compared`."""
        found = np.array([one["prediction"] for one in answers], dtype=float)
        known = self.expected[: len(answers)]
        step = np.maximum(self.outcome.scale, np.abs(known - self.outcome.mean))
        relative = float((np.abs(found - known) / step).max())
        largest = _largest(found, self.expected)
        return Comparison(
            largest,
            relative <= self.tolerance,
            f"the offline numbers within {self.tolerance:g} of a standard deviation, "
            f"{self.outcome.scale:.4g}, or of a number's distance from the mean",
            f"at most {largest:.2g} from those of {len(answers)} rows, {relative:.2g} of that",
        )


Offline = Decisions | Classes | Numbers
Read = Callable[[Answer], Answer]


def _largest(found: Any, expected: Floats) -> float:
    """The largest difference from the first of what is expected."""
    return float(np.abs(np.array(found, dtype=float) - expected[: len(found)]).max())


def _number(answer: Answer, key: str) -> float:
    value = answer[key]
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise TypeError(f"expected a number as `{key}`")
    return value


def _typed(answer: Answer, key: str, kind: type, words: str) -> Any:
    if not isinstance(answer[key], kind):
        raise TypeError(f"expected {words} as `{key}`")
    return answer[key]
