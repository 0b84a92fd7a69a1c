"""The new model against the live champion, paired: overall and by group.

On test rows that the champion was not trained on. A gain is positive where the new model is
better, whatever the measure.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.dataset.groups import CROSS, crossings, group_names
from pipeline.core.errors import ArtifactMissing
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.statistics.intervals import Interval
from pipeline.core.statistics.paired import bounds
from pipeline.evaluate import champion
from pipeline.evaluate.challengers import C, Incomparable, PairedMeasure, Statistics, gains

CHAMPION_MAX_DEPTH = 3
"""How many sensitive columns are crossed at most."""

Resample = Callable[[Statistics, int], dict[str, Interval]]


def against_champion(
    paths: Paths,
    modality: str,
    columns: Columns,
    new: C,
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
        theirs = ours.asked(live)
    except Incomparable as reason:
        note = f"version {live.version} is live, and cannot be compared: {reason}"
        return {"outcome": "not_compared", "version": live.version, "note": note}
    except pl.exceptions.PolarsError:  # its message may hold values of rows
        note = (
            f"version {live.version} reads columns that are not there now, or not as it knows them"
        )
        return {"outcome": "unreadable", "note": note}
    found = resample(gains(ours, theirs), ours.test.height)
    return {
        "outcome": "compared",
        "version": live.version,
        "num_rows": int(fresh.sum()),
        "num_rows_seen": int((~fresh).sum()),
        "confidence": confidence,
        "gains": {name: interval.as_dict() for name, interval in found.items()},
        "by": by_group(ours, theirs, new.test, columns, confidence),
    }


def by_group(
    ours: C, theirs: C, test: pl.DataFrame, columns: Columns, confidence: float
) -> dict[str, list[dict[str, Any]]]:
    """By grouping, of every group its rows and its gain in each measure of single rows.

    A group all of whose test rows the champion has seen is there too, with no rows.
    """
    compared = ours.paired(theirs)
    found = {}
    for names in crossings(columns.sensitive, CHAMPION_MAX_DEPTH):
        groups = group_names(ours.test, names, columns)
        found[CROSS.join(names)] = [
            gains_of_group(group, (groups == group).to_numpy(), compared, confidence)
            for group in sorted(group_names(test, names, columns).unique())
        ]
    return found


def gains_of_group(
    group: str, members: NDArray[np.bool_], compared: Mapping[str, PairedMeasure], confidence: float
) -> dict[str, Any]:
    """One group's gains with their bounds."""
    found = {}
    for name, one in compared.items():
        gain = one.gain(members)
        low, high = bounds(gain, confidence)
        found[name] = {**gain, "low": _finite(low), "high": _finite(high)}
    return {"group": group, "num_rows": int(members.sum()), "gains": found}


def _finite(bound: float) -> float | None:
    """A bound as JSON has it; None where there are too few rows for any."""
    return round(bound, 6) if math.isfinite(bound) else None
