"""The new model against the live champion, paired: overall and by group.

On test rows that the champion was not trained on. A gain is positive where the new model is
better, whatever the measure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core import champion
from pipeline.core.decisions import decided
from pipeline.core.errors import ArtifactMissing
from pipeline.core.groups import CROSS, crossings, group_names
from pipeline.core.intervals import Interval
from pipeline.core.measures import METRICS
from pipeline.core.metrics import BinaryMetrics
from pipeline.core.paired import bounds, gain_of_shares
from pipeline.core.paths import Paths
from pipeline.core.project import Columns

MAX_DEPTH = 3
"""How many sensitive columns are crossed at most."""

Floats = NDArray[np.float64]
Statistics = Callable[[Floats], dict[str, float]]
Resample = Callable[[Statistics, int], dict[str, Interval]]


@dataclass(frozen=True)
class Challenger:
    """The new model on the test rows.

    Attributes:
        test: The rows, with `_key` and the sensitive columns.
        labels: 0 or 1, shape (rows,).
        probability: Of label 1, shape (rows,).
        decisions: Shape (rows,).
    """

    test: pl.DataFrame
    labels: Floats
    probability: Floats
    decisions: NDArray[np.bool_]

    def of(self, rows: NDArray[np.bool_]) -> "Challenger":
        """On some of the rows, shape (rows,)."""
        test = self.test.filter(pl.Series(rows))
        return Challenger(test, self.labels[rows], self.probability[rows], self.decisions[rows])


def against_champion(
    paths: Paths,
    modality: str,
    columns: Columns,
    new: Challenger,
    resample: Resample,
    confidence: float,
) -> dict[str, Any]:
    """How much the new model gains over the champion; without one, or with one that cannot be
    read, an outcome of its own."""
    try:
        live = champion.load(paths.home / "champion", modality)
    except ArtifactMissing as error:
        note = str(error).replace(f"{paths.root}/", "")  # the same note wherever the checkout lies
        return {"outcome": "unreadable", "note": note}
    if live is None:
        return {"outcome": "none", "note": "no model of this project is live"}
    fresh = ~new.test["_key"].is_in(live.seen.implode()).to_numpy()
    if not fresh.any():
        return {"outcome": "no_rows", "version": live.version, "num_rows": 0}
    ours = new.of(fresh)
    try:
        probability = live.policy.probability(live.model.logits(ours.test))
        decisions = decided(live.policy, live.model, ours.test, probability)
    except pl.exceptions.PolarsError:  # its message may hold values of rows
        note = (
            f"version {live.version} reads columns that are not there now, or not as it knows them"
        )
        return {"outcome": "unreadable", "note": note}
    theirs = Challenger(ours.test, ours.labels, probability, decisions)
    found = resample(gains(ours, theirs), len(ours.labels))
    return {
        "outcome": "compared",
        "version": live.version,
        "num_rows": int(fresh.sum()),
        "num_rows_seen": int((~fresh).sum()),
        "confidence": confidence,
        "gains": {name: interval.as_dict() for name, interval in found.items()},
        "by": by_group(ours, theirs, new.test, columns, confidence),
    }


def gains(ours: Challenger, theirs: Challenger) -> Statistics:
    """Paired differences of all measures, as a function of the rows' weights."""
    new, old = metrics_of(ours), metrics_of(theirs)

    def gained(weights: Floats) -> dict[str, float]:
        after, before = new(weights), old(weights)
        return {
            name: (after[name] - before[name]) * (1 if larger else -1)
            for name, larger in METRICS.items()
        }

    return gained


def metrics_of(one: Challenger) -> BinaryMetrics:
    return BinaryMetrics.of(one.labels, one.probability, one.decisions.astype(float))


def by_group(
    ours: Challenger, theirs: Challenger, test: pl.DataFrame, columns: Columns, confidence: float
) -> dict[str, list[dict[str, Any]]]:
    """By grouping, of every group its rows and its gain in each measure of decisions.

    A group all of whose test rows the champion has seen is there too, with no rows.
    """
    compared = paired_decisions(ours.labels, ours.decisions, theirs.decisions)
    found = {}
    for names in crossings(columns.sensitive, MAX_DEPTH):
        groups = group_names(ours.test, names, columns)
        found[CROSS.join(names)] = [
            gains_of_group(group, (groups == group).to_numpy(), compared, confidence)
            for group in sorted(group_names(test, names, columns).unique())
        ]
    return found


@dataclass(frozen=True)
class Paired:
    """One measure of decisions, row by row, of both models.

    Attributes:
        rows: The rows that it is a share of.
        gained: Where the new model alone is right.
        lost: Where the old one alone is.
    """

    rows: NDArray[np.bool_]
    gained: NDArray[np.bool_]
    lost: NDArray[np.bool_]


def paired_decisions(labels: Floats, new: Any, old: Any) -> Mapping[str, Paired]:
    """The measures of `pipeline.core.gate_rules.PAIRED`; all of shape (rows,)."""
    positive, ours, theirs = labels == 1, np.asarray(new) == 1, np.asarray(old) == 1
    everyone = np.ones(len(labels), dtype=bool)
    right, was_right = ours == positive, theirs == positive
    return {
        "accuracy": Paired(everyone, right & ~was_right, was_right & ~right),
        "selection_rate": Paired(everyone, ours & ~theirs, theirs & ~ours),
        "true_positive_rate": Paired(positive, ours & ~theirs, theirs & ~ours),
        "false_positive_rate": Paired(~positive, theirs & ~ours, ours & ~theirs),
    }


def gains_of_group(
    group: str, members: NDArray[np.bool_], compared: Mapping[str, Paired], confidence: float
) -> dict[str, Any]:
    """One group's gains with their bounds."""
    found = {}
    for name, one in compared.items():
        rows = members & one.rows
        gain = gain_of_shares(
            int((rows & one.gained).sum()), int((rows & one.lost).sum()), int(rows.sum())
        )
        low, high = bounds(gain, confidence)
        found[name] = {**gain, "low": round(low, 6), "high": round(high, 6)}
    return {"group": group, "num_rows": int(members.sum()), "gains": found}
