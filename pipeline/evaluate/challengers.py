"""What two models say of the same rows, by task: the new one, and the live champion beside it.

A gain is positive where the new model is better, whatever the measure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.metrics.measures import METRICS_OF
from pipeline.core.metrics.metrics import BinaryMetrics
from pipeline.core.metrics.multiclass import MulticlassMetrics
from pipeline.core.metrics.regression import RegressionMetrics
from pipeline.core.prediction.decisions import decided
from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.policy import Policy
from pipeline.core.settings.columns import Task
from pipeline.core.statistics.paired import gain_of_means, gain_of_shares
from pipeline.evaluate.champion import Champion

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]
Statistics = Callable[[Floats], dict[str, float]]
C = TypeVar("C", bound="Challenger")


class Incomparable(Exception):
    """The champion answers another question than the new model; says in what."""


class PairedMeasure(Protocol):
    """One measure, row by row, of both models."""

    def gain(self, members: Bits) -> dict[str, Any]:
        """What `core.statistics.paired` keeps of the comparison among these rows, shape (rows,)."""


@dataclass(frozen=True)
class PairedShare:
    """A share, such as that of right decisions.

    Attributes:
        rows: The rows that it is a share of.
        gained: Where the new model alone is right.
        lost: Where the old one alone is.
    """

    rows: Bits
    gained: Bits
    lost: Bits

    def gain(self, members: Bits) -> dict[str, Any]:
        rows = members & self.rows
        num_gained, num_lost = int((rows & self.gained).sum()), int((rows & self.lost).sum())
        return gain_of_shares(num_gained, num_lost, int(rows.sum()))


@dataclass(frozen=True)
class PairedMean:
    """A mean.

    Attributes:
        gained: By how much the new model is better in each row, shape (rows,).
    """

    gained: Floats

    def gain(self, members: Bits) -> dict[str, Any]:
        found = self.gained[members]
        if not len(found):
            return gain_of_means(0.0, 0.0, 0)
        deviation = float(found.std(ddof=1)) if len(found) > 1 else 0.0
        return gain_of_means(float(found.mean()), deviation, len(found))


class Challenger(Protocol):
    """One model's answers to the test rows."""

    @property
    def test(self) -> pl.DataFrame:
        """The rows, with `_key` and the sensitive columns."""

    def of(self: C, rows: Bits) -> C:
        """On some of the rows, shape (rows,)."""

    def asked(self: C, live: Champion) -> C:
        """What the champion answers to the same rows; raises Incomparable."""

    def metrics(self) -> Statistics:
        """All measures, as a function of the rows' weights."""

    def paired(self: C, theirs: C) -> Mapping[str, PairedMeasure]:
        """The measures of `pipeline.core.verdict.gate_rules.PAIRED_OF`."""

    @property
    def task(self) -> Task:
        """Of the project."""


def gains(ours: C, theirs: C) -> Statistics:
    """Paired differences of all measures, as a function of the rows' weights."""
    new, old, better = ours.metrics(), theirs.metrics(), METRICS_OF[ours.task]

    def gained(weights: Floats) -> dict[str, float]:
        after, before = new(weights), old(weights)
        return {
            name: (after[name] - before[name]) * (1 if larger else -1)
            for name, larger in better.items()
        }

    return gained


@dataclass(frozen=True)
class Decider:
    """A model of two classes.

    Attributes:
        test: As `Challenger` has it.
        labels: 0 or 1, shape (rows,).
        probability: Of label 1, shape (rows,).
        decisions: Shape (rows,).
    """

    test: pl.DataFrame
    labels: Floats
    probability: Floats
    decisions: Bits
    task: Task = "binary"

    def of(self, rows: Bits) -> "Decider":
        test = self.test.filter(pl.Series(rows))
        return Decider(test, self.labels[rows], self.probability[rows], self.decisions[rows])

    def asked(self, live: Champion) -> "Decider":
        if not isinstance(live.policy, Policy):
            raise Incomparable("it predicts no two classes")
        probability = live.policy.probability(live.model.logits(self.test))
        decisions = decided(live.policy, live.model, self.test, probability)
        return replace(self, probability=probability, decisions=decisions)

    def metrics(self) -> BinaryMetrics:
        return BinaryMetrics.of(self.labels, self.probability, self.decisions.astype(float))

    def paired(self, theirs: "Decider") -> Mapping[str, PairedShare]:
        return paired_decisions(self.labels, self.decisions, theirs.decisions)


def paired_decisions(labels: Floats, new: Any, old: Any) -> Mapping[str, PairedShare]:
    """Of two classes, all of shape (rows,)."""
    positive, ours, theirs = labels == 1, np.asarray(new) == 1, np.asarray(old) == 1
    everyone = np.ones(len(labels), dtype=bool)
    right, was_right = ours == positive, theirs == positive
    return {
        "accuracy": PairedShare(everyone, right & ~was_right, was_right & ~right),
        "selection_rate": PairedShare(everyone, ours & ~theirs, theirs & ~ours),
        "true_positive_rate": PairedShare(positive, ours & ~theirs, theirs & ~ours),
        "false_positive_rate": PairedShare(~positive, theirs & ~ours, ours & ~theirs),
    }


@dataclass(frozen=True)
class Answerer:
    """A model of several classes, or of a number.

    Attributes:
        test: As `Challenger` has it.
        truth: From `Outcome.truth`, shape (rows,).
        answers: Probabilities, shape (rows, classes), or numbers, shape (rows,).
        outcome: Of the model.
    """

    test: pl.DataFrame
    truth: NDArray[Any]
    answers: Floats
    outcome: Outcome

    @property
    def task(self) -> Task:
        return self.outcome.task

    def of(self, rows: Bits) -> "Answerer":
        test = self.test.filter(pl.Series(rows))
        return Answerer(test, self.truth[rows], self.answers[rows], self.outcome)

    def asked(self, live: Champion) -> "Answerer":
        theirs = live.model.outcome
        if theirs.task != self.task:
            raise Incomparable(f"its task is {theirs.task}")
        if theirs.classes != self.outcome.classes:
            raise Incomparable("its classes are others")
        outputs = live.model.logits(self.test)
        if self.task == "regression":
            return replace(self, answers=theirs.in_units(outputs))
        return replace(self, answers=live.policy.probability(outputs))

    def metrics(self) -> Statistics:
        if self.task == "regression":
            return RegressionMetrics(self.truth, self.answers)
        return MulticlassMetrics.of(self.truth, self.answers)

    def paired(self, theirs: "Answerer") -> Mapping[str, PairedMeasure]:
        if self.task == "regression":
            off, were_off = np.abs(self.answers - self.truth), np.abs(theirs.answers - self.truth)
            return {"mean_absolute_error": PairedMean(were_off - off)}
        right = self.answers.argmax(axis=1) == self.truth
        was_right = theirs.answers.argmax(axis=1) == self.truth
        everyone = np.ones(len(right), dtype=bool)
        return {"accuracy": PairedShare(everyone, right & ~was_right, was_right & ~right)}
