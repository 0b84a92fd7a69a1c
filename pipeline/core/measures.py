"""The measures that a gate can decide on, and which end of each is the good one: the one list."""

from collections.abc import Mapping

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

GAPS = {
    "demographic_parity_difference": False,
    "demographic_parity_ratio": True,
    "equalized_odds_difference": False,
    "equalized_odds_ratio": True,
}
"""What `assess` measures between groups: name, and whether larger is better."""
