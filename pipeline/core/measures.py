"""The measures that a gate can decide on, and which end of each is the good one: the one list."""

METRICS = {
    "roc_auc": True,
    "average_precision": True,
    "accuracy": True,
    "balanced_accuracy": True,
    "log_loss": False,
    "brier_score": False,
    "expected_calibration_error": False,
}
"""What `evaluate` measures: name, and whether larger is better."""

GAPS = {
    "demographic_parity_difference": False,
    "demographic_parity_ratio": True,
    "equalized_odds_difference": False,
    "equalized_odds_ratio": True,
}
"""What `assess` measures between groups: name, and whether larger is better."""
