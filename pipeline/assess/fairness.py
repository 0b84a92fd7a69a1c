"""Measures by group and gaps between groups, from Fairlearn.

Fairlearn gives the values; the bounds are ours (`core.statistics.largest_gap`), since its own
bootstrap is biased for a largest gap.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_negative_rate,
    false_positive_rate,
    mean_prediction,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score, mean_absolute_error, precision_score

from pipeline.assess.group_rates import Binary, Multiclass, Predicted, Regression, Values
from pipeline.core.metrics.measures import CALIBRATION, COMPARED

RATES: Mapping[str, Callable[..., float]] = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "false_negative_rate": false_negative_rate,
    "precision": partial(precision_score, zero_division=0.0),
    "accuracy": accuracy_score,
}
GAPS: Mapping[str, Callable[..., float]] = {
    "demographic_parity_difference": demographic_parity_difference,
    "demographic_parity_ratio": demographic_parity_ratio,
    "equalized_odds_difference": equalized_odds_difference,
    "equalized_odds_ratio": equalized_odds_ratio,
    "equal_opportunity_difference": equal_opportunity_difference,
    "equal_opportunity_ratio": equal_opportunity_ratio,
}


def mean_residual(truth: Values, predicted: Values) -> float:
    """Mean of the prediction minus the truth."""
    return float(np.mean(predicted) - np.mean(truth))


MEANS: Mapping[str, Callable[..., float]] = {
    "mean_prediction": mean_prediction,
    "mean_residual": mean_residual,
    "mean_absolute_error": mean_absolute_error,
}


def by_group(found: Predicted, groups: Values) -> dict[str, dict[str, Any]]:
    """Each group's measures, as `Predicted.entries` nests them; a rate of nobody is 0.

    Args:
        found: What was predicted, and what is true.
        groups: Names, shape (rows,).
    """
    if isinstance(found, Regression):
        return _values(_means(MEANS, found.labels, found.predicted, groups))
    cells = _cells(found, groups)
    if isinstance(found, Binary):
        calibration = _values(_calibration(found, groups))
        rates = _values(_rates(cells, 1))
        return {name: entry | calibration[name] for name, entry in rates.items()}
    by_class = {name: _values(_rates(cells, name)) for name in found.classes.tolist()}
    right = _values(_accuracy(cells))
    for rates in by_class.values():
        for entry in rates.values():
            del entry["accuracy"]
    return {
        group: entry | {"classes": {name: rates[group] for name, rates in by_class.items()}}
        for group, entry in right.items()
    }


def gaps(found: Predicted, groups: Values) -> dict[str, float]:
    """The gaps between groups; of several classes, each against the rest, the worst one.

    A gap that Fairlearn has no number for (two rates of 0 over each other) is nan.
    """
    if isinstance(found, Regression):
        frame = _means(MEANS, found.labels, found.predicted, groups)
        return {f"{name}_difference": gap for name, gap in _differences(frame).items()}
    cells = _cells(found, groups)
    if isinstance(found, Binary):
        calibration = _differences(_calibration(found, groups))[CALIBRATION]
        return {**_rate_gaps(cells, 1), f"{CALIBRATION}_difference": calibration}
    by_class = [_rate_gaps(cells, name) for name in found.classes.tolist()]
    worst = {
        name: float(
            (np.fmin if COMPARED[name].ratio else np.fmax).reduce([one[name] for one in by_class])
        )
        for name in by_class[0]
    }
    return worst | {"accuracy_difference": _differences(_accuracy(cells))["accuracy"]}


def _cells(found: Binary | Multiclass, groups: Values) -> pd.DataFrame:
    """How many rows have each combination of group, label and decision.

    Measures of decisions are functions of these counts; Fairlearn takes them as sample weights,
    which spares it loops over rows.
    """
    table = pd.DataFrame({"group": groups, "label": found.labels, "decision": found.decisions})
    counted = table.groupby(["group", "label", "decision"], as_index=False).size()
    return counted.rename(columns={"size": "num_rows"})


def _rate_gaps(cells: pd.DataFrame, of_class: Any) -> dict[str, float]:
    differences = _differences(_rates(cells, of_class))
    found = {
        name: differences[gap.of[0]]
        for name, gap in COMPARED.items()
        if name not in GAPS and gap.of[0] in RATES
    }
    for name, function in GAPS.items():
        value = function(
            cells["label"] == of_class,
            cells["decision"] == of_class,
            sensitive_features=cells["group"],
            sample_weight=cells["num_rows"],
        )
        found[name] = float(value)
    return found


def _rates(cells: pd.DataFrame, of_class: Any) -> MetricFrame:
    """All rates, with one class as the positive one."""
    return MetricFrame(
        metrics=dict(RATES),
        y_true=(cells["label"] == of_class).astype(int),
        y_pred=(cells["decision"] == of_class).astype(int),
        sensitive_features=cells["group"],
        sample_params={name: {"sample_weight": cells["num_rows"]} for name in RATES},
    )


def _accuracy(cells: pd.DataFrame) -> MetricFrame:
    """The share of right decisions, of all classes together."""
    return MetricFrame(
        metrics={"accuracy": accuracy_score},
        y_true=cells["label"],
        y_pred=cells["decision"],
        sensitive_features=cells["group"],
        sample_params={"accuracy": {"sample_weight": cells["num_rows"]}},
    )


def _calibration(found: Binary, groups: Values) -> MetricFrame:
    return _means({CALIBRATION: mean_residual}, found.labels, found.probability, groups)


def _means(
    metrics: Mapping[str, Callable[..., float]], labels: Values, predicted: Values, groups: Values
) -> MetricFrame:
    return MetricFrame(
        metrics=dict(metrics), y_true=labels, y_pred=predicted, sensitive_features=groups
    )


def _values(frame: MetricFrame) -> dict[str, dict[str, Any]]:
    return {
        str(group): {str(name): float(value) for name, value in values.items()}
        for group, values in frame.by_group.iterrows()
    }


def _differences(frame: MetricFrame) -> dict[str, float]:
    found = frame.difference(method="between_groups")
    return {str(name): float(value) for name, value in found.items()}
