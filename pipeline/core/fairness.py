"""Measures by group, from Fairlearn. The only module that imports it.

Fairlearn gives the values; the bounds are ours (`pipeline.core.intervals`), since its own bootstrap
is biased for a largest gap.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, precision_score

from pipeline.core.intervals import Rates, max_gap, wilson

Floats = NDArray[np.float64]
Bits = NDArray[np.int64]
CROSS = " × "
MISSING = "(missing)"


def group_names(table: pl.DataFrame, columns: tuple[str, ...]) -> "pd.Series[str]":
    """Each row's group as text: its values of the columns, joined by ` × `; shape (rows,)."""
    texts = [pl.col(name).cast(pl.String).fill_null(MISSING) for name in columns]
    joined = table.select(pl.concat_str(texts, separator=CROSS)).to_series()
    return pd.Series(joined.to_list(), name=CROSS.join(columns), dtype="str")


def cells(labels: Bits, decisions: Bits, groups: "pd.Series[str]") -> pd.DataFrame:
    """How many rows have each combination: columns `group`, `label`, `decision`, `num_rows`.

    All measures here are functions of these counts; Fairlearn takes them as sample weights, which
    spares it loops over rows.

    Args:
        labels: 0 or 1, shape (rows,).
        decisions: 0 or 1, shape (rows,).
        groups: From `group_names`, shape (rows,).
    """
    table = pd.DataFrame({"group": groups.to_numpy(), "label": labels, "decision": decisions})
    counted = table.groupby(["group", "label", "decision"], as_index=False).size()
    return counted.rename(columns={"size": "num_rows"})


def by_group(counted: pd.DataFrame, min_rows: int, two_sided: float) -> list[dict[str, Any]]:
    """One entry per group: its size, and each measure with its Wilson interval.

    Args:
        counted: From `cells`.
        min_rows: A group with fewer rows is marked too small.
        two_sided: Confidence of the intervals.
    """
    weights = {"sample_weight": counted["num_rows"]}
    frame = MetricFrame(
        metrics=MEASURES,
        y_true=counted["label"],
        y_pred=counted["decision"],
        sensitive_features=counted["group"],
        sample_params=dict.fromkeys(MEASURES, weights),
    ).by_group
    entries = []
    for name, values in frame.iterrows():
        counts = _counts(counted[counted["group"] == name])
        num_rows = counts["selection_rate"][1]
        entry: dict[str, Any] = {
            "group": str(name),
            "num_rows": num_rows,
            "too_small": num_rows < min_rows,
        }
        for measure, (hits, total) in counts.items():
            low, high = wilson(np.array([hits]), np.array([total]), two_sided)
            entry[measure] = {
                "value": round(float(values[measure]), 6) if total else None,
                "low": round(float(low[0]), 6),
                "high": round(float(high[0]), 6),
            }
        entries.append(entry)
    return entries


def _counts(group: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each measure in one group."""
    size, label, decision = group["num_rows"], group["label"] == 1, group["decision"] == 1

    def rows(which: Any) -> int:
        return int(size[which].sum())

    return {
        "selection_rate": (rows(decision), int(size.sum())),
        "true_positive_rate": (rows(decision & label), rows(label)),
        "false_positive_rate": (rows(decision & ~label), rows(~label)),
        "precision": (rows(decision & label), rows(decision)),
        "accuracy": (rows(decision == label), int(size.sum())),
    }


MEASURES = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "precision": partial(precision_score, zero_division=0.0),
    "accuracy": accuracy_score,
}

GAPS = {
    "demographic_parity_difference": (demographic_parity_difference, ("selection_rate",), False),
    "demographic_parity_ratio": (demographic_parity_ratio, ("selection_rate",), True),
    "equalized_odds_difference": (
        equalized_odds_difference,
        ("true_positive_rate", "false_positive_rate"),
        False,
    ),
    "equalized_odds_ratio": (
        equalized_odds_ratio,
        ("true_positive_rate", "false_positive_rate"),
        True,
    ),
}


def gaps(
    counted: pd.DataFrame, *, confidence: float, num_replicates: int, seed: int
) -> dict[str, dict[str, float]]:
    """The largest gaps between the groups of `cells`, with one-sided bounds and the noise floor.

    The noise floor is the bound that these rows would give if every group had the same rate:
    no limit below it can be passed, however alike the groups are.
    """
    counts = [_counts(group) for _, group in counted.groupby("group")]
    found = {}
    for measure, (function, names, ratio) in GAPS.items():
        rates = Rates(
            np.array([[one[name][0] for one in counts] for name in names], dtype=float),
            np.array([[one[name][1] for one in counts] for name in names], dtype=float),
        )
        num_rows = rates.totals.sum(axis=1, keepdims=True)
        same = rates.successes.sum(axis=1, keepdims=True) / np.maximum(num_rows, 1)
        level = Rates(same * rates.totals, rates.totals)
        how: dict[str, Any] = {
            "confidence": confidence,
            "num_replicates": num_replicates,
            "seed": seed,
            "ratio": ratio,
        }
        bounds, floor = max_gap(rates, **how), max_gap(level, **how)
        value = function(
            counted["label"],
            counted["decision"],
            sensitive_features=counted["group"],
            sample_weight=counted["num_rows"],
        )
        found[measure] = {
            # Fairlearn's ratio of two rates of zero is no number; they are equal.
            "value": round(float(value if np.isfinite(value) else bounds.value), 6),
            "low": round(bounds.low, 6),
            "high": round(bounds.high, 6),
            "noise_floor": round(floor.low if ratio else floor.high, 6),
        }
    return found
