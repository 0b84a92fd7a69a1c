"""One threshold for everybody, chosen among those that keep the gap between groups small.

Nobody's group is needed to decide by it. Which trade-offs one threshold can reach is limited: where
it reaches none, this refuses, and names the nearest.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.calibrate.postprocessing import Grouping, Mitigation, gap_of, grouping
from pipeline.core.errors import ProjectError
from pipeline.core.prediction.calibration import THRESHOLDS, Objective, choose_threshold
from pipeline.core.settings.columns import Columns

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """A threshold that keeps the constraint.

    Attributes:
        threshold: In hundredths.
        num_allowed: How many thresholds keep the constraint.
        groupings: The groups that were compared.
    """

    threshold: float
    num_allowed: int
    groupings: list[Grouping]


def constrained_threshold(
    probability: Floats,
    labels: Floats,
    table: pl.DataFrame,
    columns: Columns,
    settings: Mitigation,
    maximise: Objective,
) -> Chosen:
    """The threshold that `choose_threshold` takes, of those that keep the constraint.

    A threshold keeps it when, for each column, the upper bound of the gap between its groups is at
    most `at_most`: the measured gap of some threshold is small by chance alone, the more so the
    fewer rows a group has (docs/decisions/0017-thresholds-after-training.md).

    Args:
        probability: Calibrated, shape (rows,).
        labels: 0 or 1, both present, shape (rows,).
        table: The rows' sensitive columns.
        columns: The project's.
        settings: Constraint and limit.
        maximise: What is best among the thresholds that keep it.

    Raises:
        ProjectError: no threshold keeps it; a column has fewer than two groups that are large
            enough.
    """
    groupings = [
        _comparable(grouping(table, (name,), columns, settings.min_group_size), settings)
        for name in settings.of(columns)
    ]
    decides = decides_both(probability, labels, settings.least_share)
    bounds = np.ones(len(THRESHOLDS))
    for place in np.flatnonzero(decides):
        decisions = probability >= THRESHOLDS[place]
        bounds[place] = max(gap_of(decisions, labels, g, settings)["high"] for g in groupings)
    allowed = decides & (bounds <= (settings.at_most or 0.0))
    if not allowed.any():
        raise _unreachable(bounds, decides, settings)
    threshold = choose_threshold(probability, labels, maximise, allowed)
    return Chosen(threshold, int(allowed.sum()), groupings)


def decides_both(probability: Floats, labels: Floats, least_share: float) -> NDArray[np.bool_]:
    """Which thresholds decide enough rows each way; of all alike or nearly so, no gap says much."""
    selected = (probability[:, None] >= THRESHOLDS).mean(axis=0)
    positive = labels.mean()
    enough = selected >= least_share * positive
    return np.asarray(enough & (1 - selected >= least_share * (1 - positive)))


def _comparable(groups: Grouping, settings: Mitigation) -> Grouping:
    if len(groups.names) < 2:
        raise ProjectError(
            f"calibrate.mitigation: expected at least two groups of {groups.by!r} with "
            f"{settings.min_group_size} calibration rows, found {len(groups.names)}",
            hint="leave the column out of `calibrate.mitigation.columns`, lower "
            "`calibrate.mitigation.min_group_size`, or give `split` more calibration rows",
        )
    return groups


def _unreachable(bounds: Floats, decides: NDArray[np.bool_], settings: Mitigation) -> ProjectError:
    limit = f"{settings.constraint} gap whose upper bound is at most {settings.at_most:g}"
    if not decides.any():
        return ProjectError(
            f"calibrate.mitigation: expected a threshold with a {limit}; no threshold decides "
            f"enough rows each way",
            hint="lower `calibrate.mitigation.least_share`",
        )
    best = int(np.where(decides, bounds, np.inf).argmin())
    return ProjectError(
        f"calibrate.mitigation: expected a threshold with a {limit}; the nearest, "
        f"{THRESHOLDS[best]:.2f}, has a bound of {bounds[best]:.3f} on the calibration rows",
        hint=f"set `calibrate.mitigation.at_most` to {np.ceil(bounds[best] * 100) / 100:g} or "
        "more, mitigate while training (`train.mitigation`), or compare fewer groups "
        "(`calibrate.mitigation.columns`)",
    )
