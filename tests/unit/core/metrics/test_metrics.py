"""Every measure equals scikit-learn's, with weights and with ties."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from pipeline.core.metrics.measures import METRICS
from pipeline.core.metrics.metrics import BinaryMetrics, Floats, reliability, roc_curve

NAMES = sorted(METRICS)


def expected(name: str, labels: Floats, probability: Floats, weights: Floats) -> float:
    decision = (probability >= 0.5).astype(float)
    how = {"sample_weight": weights}
    values = {
        "roc_auc": lambda: oracle.roc_auc_score(labels, probability, **how),
        "average_precision": lambda: oracle.average_precision_score(labels, probability, **how),
        "accuracy": lambda: oracle.accuracy_score(labels, decision, **how),
        "balanced_accuracy": lambda: oracle.balanced_accuracy_score(labels, decision, **how),
        "log_loss": lambda: oracle.log_loss(labels, probability, **how),
        "brier_score": lambda: oracle.brier_score_loss(labels, probability, **how),
    }
    return float(values[name]())


def draw(kind: str) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(3)
    probability, labels = rng.random(200), rng.integers(0, 2, 200).astype(float)
    weights = np.ones(200)
    if kind in ("ties", "weighted ties"):
        probability = np.round(probability, 1)
    if "weighted" in kind:
        weights = rng.integers(0, 4, 200).astype(float)
    if kind == "certain":
        probability = np.round(probability)
    return labels, probability, weights


@pytest.mark.parametrize("name", [one for one in NAMES if one != "expected_calibration_error"])
@pytest.mark.parametrize("kind", ["plain", "ties", "weighted", "weighted ties", "certain"])
def test_measures_equal_scikit_learns(name: str, kind: str) -> None:
    labels, probability, weights = draw(kind)
    found = BinaryMetrics.of(labels, probability, probability >= 0.5)(weights)
    assert found[name] == pytest.approx(expected(name, labels, probability, weights), abs=1e-12)


def test_calibration_error_by_hand() -> None:
    # Bin 0.1: two rows, mean probability 0.15, rate 0.5, so 2 · 0.35. Bin 0.8: one row of weight
    # 2, 2 · |0.8 - 1|. Bin 0.9, which holds 1.0 too: |0.95 + 1.0 - 1|. In all 2.05 of weight 6.
    labels = np.array([0, 1, 1, 0, 1.0])
    probability = np.array([0.1, 0.2 - 1e-12, 0.8, 0.95, 1.0])
    found = BinaryMetrics.of(labels, probability, probability >= 0.5)(np.array([1, 1, 2, 1, 1.0]))
    assert found["expected_calibration_error"] == pytest.approx((0.7 + 0.4 + 0.95) / 6)


def test_all_measures_and_no_other_say_which_way_is_better() -> None:
    labels, probability, weights = draw("plain")
    assert set(BinaryMetrics.of(labels, probability, probability >= 0.5)(weights)) == set(NAMES)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_rows_of_one_class_give_numbers(label: float) -> None:
    found = BinaryMetrics.of(np.full(3, label), np.array([0.2, 0.7, 0.7]), np.array([0, 1, 1.0]))
    assert all(np.isfinite(value) for value in found(np.ones(3)).values())
    assert found(np.ones(3))["roc_auc"] == 0.5


def test_roc_curve_equals_scikit_learns() -> None:
    labels, probability, _ = draw("plain")
    false, true, _ = oracle.roc_curve(labels, probability, drop_intermediate=False)
    found = roc_curve(labels, probability, 1000)
    assert [one["false_positive_rate"] for one in found] == pytest.approx(false, abs=1e-6)
    assert [one["true_positive_rate"] for one in found] == pytest.approx(true, abs=1e-6)


def test_roc_curve_goes_straight_through_ties() -> None:
    labels, probability, _ = draw("ties")
    order = np.argsort(-labels)  # all positives first, which must not matter
    false, true, _ = oracle.roc_curve(labels, probability, drop_intermediate=False)
    found = roc_curve(labels[order], probability[order], 1000)
    assert [one["false_positive_rate"] for one in found] == pytest.approx(false, abs=1e-6)
    assert [one["true_positive_rate"] for one in found] == pytest.approx(true, abs=1e-6)


def test_roc_curve_is_thinned_and_keeps_its_ends() -> None:
    labels, probability, _ = draw("plain")
    found = roc_curve(labels, probability, 20)
    assert len(found) == 20
    assert found[0] == {"false_positive_rate": 0.0, "true_positive_rate": 0.0}
    assert found[-1] == {"false_positive_rate": 1.0, "true_positive_rate": 1.0}


def test_reliability_by_hand() -> None:
    found = reliability(np.array([0, 1, 1, 1.0]), np.array([0.11, 0.13, 0.95, 1.0]))
    assert found == [
        {"bin": 1, "num_rows": 2, "mean_probability": 0.12, "positive_rate": 0.5},
        {"bin": 9, "num_rows": 2, "mean_probability": 0.975, "positive_rate": 1.0},
    ]
