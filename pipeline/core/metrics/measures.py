"""The measures that a gate can decide on, and which end of each is the good one: the one list."""

from collections.abc import Mapping
from dataclasses import dataclass

METRICS = {
    "roc_auc": True,
    "average_precision": True,
    "accuracy": True,
    "balanced_accuracy": True,
    "log_loss": False,
    "brier_score": False,
    "expected_calibration_error": False,
}
"""What `evaluate` measures of a binary task: name, and whether larger is better."""

MULTICLASS_METRICS = {
    "accuracy": True,
    "balanced_accuracy": True,
    "f1_macro": True,
    "log_loss": False,
}
"""The same where the target has several classes."""

REGRESSION_METRICS = {
    "r2": True,
    "mean_absolute_error": False,
    "root_mean_squared_error": False,
}
"""The same where the target is a number."""

METRICS_OF: Mapping[str, Mapping[str, bool]] = {
    "binary": METRICS,
    "multiclass": MULTICLASS_METRICS,
    "regression": REGRESSION_METRICS,
}
"""What `evaluate` measures, by task."""

RATES = {
    "selection_rate": True,
    "true_positive_rate": True,
    "false_positive_rate": False,
    "false_negative_rate": False,
    "precision": True,
    "accuracy": True,
}
"""Shares of a group, and whether the group with the lower share is the one that is worse off."""

MEANS = ("mean_prediction", "mean_residual", "mean_absolute_error")
"""Means of a group where the target is a number; a residual is the prediction minus the truth."""

CALIBRATION = "calibration"
"""Mean probability minus the rate of the positive outcome: above 0, the model says too much."""


@dataclass(frozen=True)
class Compared:
    """How a gap is made.

    Attributes:
        of: The measures of a group that are compared; the worst gap of them counts.
        ratio: Whether the lowest is divided by the highest, instead of subtracted from it.
    """

    of: tuple[str, ...]
    ratio: bool = False


_ODDS = ("true_positive_rate", "false_positive_rate")
COMPARED: Mapping[str, Compared] = {
    "demographic_parity_difference": Compared(("selection_rate",)),
    "demographic_parity_ratio": Compared(("selection_rate",), ratio=True),
    "equalized_odds_difference": Compared(_ODDS),
    "equalized_odds_ratio": Compared(_ODDS, ratio=True),
    "equal_opportunity_difference": Compared(("true_positive_rate",)),
    "equal_opportunity_ratio": Compared(("true_positive_rate",), ratio=True),
    "false_positive_rate_difference": Compared(("false_positive_rate",)),
    "false_negative_rate_difference": Compared(("false_negative_rate",)),
    "precision_difference": Compared(("precision",)),
    "accuracy_difference": Compared(("accuracy",)),
    "calibration_difference": Compared((CALIBRATION,)),
    **{f"{name}_difference": Compared((name,)) for name in MEANS},
}
"""Every gap between groups, of any task. The names are Fairlearn's where it has one."""

REGRESSION_GAPS = {f"{name}_difference": False for name in MEANS}
"""What `assess` measures between groups where the target is a number; smaller is better."""

GAPS = {name: gap.ratio for name, gap in COMPARED.items() if name not in REGRESSION_GAPS}
"""What `assess` measures between groups of a binary task: name, and whether larger is better."""

MULTICLASS_GAPS = {name: gap for name, gap in GAPS.items() if name != "calibration_difference"}
"""The same where the target has several classes: the worst class counts, each against the rest."""

GAPS_OF: Mapping[str, Mapping[str, bool]] = {
    "binary": GAPS,
    "multiclass": MULTICLASS_GAPS,
    "regression": REGRESSION_GAPS,
}
"""What `assess` measures between groups, by task."""

COUNTERFACTUAL = "counterfactual_change"
"""How far the mean answer moves when a word list's groups are swapped in the same texts."""
