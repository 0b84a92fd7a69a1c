"""Measures by group, from Fairlearn. The only module that imports it.

Fairlearn gives the values; the bounds are ours (`pipeline.core.intervals`), since its own bootstrap
is biased for a largest gap.
"""

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


def by_group(
    labels: Bits, decisions: Bits, groups: "pd.Series[str]", min_rows: int, two_sided: float
) -> list[dict[str, Any]]:
    """One entry per group: size, and each measure with its Wilson interval.

    Args:
        labels: 0 or 1, shape (rows,).
        decisions: 0 or 1, shape (rows,).
        groups: From `group_names`, shape (rows,).
        min_rows: A group with fewer rows is marked too small.
        two_sided: Confidence of the intervals.
    """
    frame = MetricFrame(
        metrics={
            "selection_rate": selection_rate,
            "true_positive_rate": true_positive_rate,
            "false_positive_rate": false_positive_rate,
            "precision": lambda y_true, y_pred: precision_score(y_true, y_pred, zero_division=0.0),
            "accuracy": accuracy_score,
        },
        y_true=labels,
        y_pred=decisions,
        sensitive_features=groups,
    ).by_group
    entries = []
    for name, values in frame.iterrows():
        inside = (groups == name).to_numpy()
        counts = _counts(labels[inside], decisions[inside])
        entry: dict[str, Any] = {
            "group": str(name),
            "num_rows": int(inside.sum()),
            "too_small": bool(inside.sum() < min_rows),
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


def _counts(labels: Bits, decisions: Bits) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each measure in one group."""
    true_positives = int((labels & decisions).sum())
    false_positives = int((decisions & ~labels & 1).sum())
    return {
        "selection_rate": (int(decisions.sum()), len(labels)),
        "true_positive_rate": (true_positives, int(labels.sum())),
        "false_positive_rate": (false_positives, int((1 - labels).sum())),
        "precision": (true_positives, int(decisions.sum())),
        "accuracy": (int((labels == decisions).sum()), len(labels)),
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
    labels: Bits,
    decisions: Bits,
    groups: "pd.Series[str]",
    *,
    confidence: float,
    num_replicates: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """The largest gaps between the groups, with one-sided bounds and the noise floor.

    The noise floor is the bound that these rows would give if every group had the same rate:
    no limit below it can be passed, however alike the groups are.
    """
    counts = [
        _counts(labels[inside], decisions[inside])
        for name in sorted(groups.unique())
        for inside in [(groups == name).to_numpy()]
    ]
    found = {}
    for measure, (function, names, ratio) in GAPS.items():
        rates = Rates(
            np.array([[one[name][0] for one in counts] for name in names], dtype=float),
            np.array([[one[name][1] for one in counts] for name in names], dtype=float),
        )
        same = rates.successes.sum(axis=1, keepdims=True) / rates.totals.sum(axis=1, keepdims=True)
        level = Rates(same * rates.totals, rates.totals)
        how: dict[str, Any] = {
            "confidence": confidence,
            "num_replicates": num_replicates,
            "seed": seed,
            "ratio": ratio,
        }
        bounds, floor = max_gap(rates, **how), max_gap(level, **how)
        value = float(function(labels, decisions, sensitive_features=groups))
        found[measure] = {
            "value": round(value, 6),
            "low": round(bounds.low, 6),
            "high": round(bounds.high, 6),
            "noise_floor": round(floor.low if ratio else floor.high, 6),
        }
    return found
