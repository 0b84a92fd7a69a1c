"""Several classes: scikit-learn's numbers, the temperature that it was made with, by hand."""

import numpy as np
import pytest
import sklearn.metrics as known
from numpy.typing import NDArray

from pipeline.core.metrics.multiclass import MulticlassMetrics, roc_curve
from pipeline.core.prediction.temperature import fit_temperature, log_softmax

RNG = np.random.default_rng(3)


def case(
    num_rows: int = 300, num_classes: int = 4
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    logits = RNG.normal(size=(num_rows, num_classes))
    probability = np.exp(log_softmax(logits))
    drawn = [RNG.choice(num_classes, p=one) for one in np.exp(log_softmax(2 * logits))]
    return np.array(drawn), probability


@pytest.mark.parametrize("weighted", [False, True])
def test_measures_are_scikit_learns(weighted: bool) -> None:
    labels, probability = case()
    weights = RNG.integers(0, 4, len(labels)).astype(float) if weighted else np.ones(len(labels))
    found = MulticlassMetrics.of(labels, probability)(weights)
    decided = probability.argmax(axis=1)
    weight = {"sample_weight": weights}
    assert found == pytest.approx(
        {
            "accuracy": known.accuracy_score(labels, decided, **weight),
            "balanced_accuracy": known.balanced_accuracy_score(labels, decided, **weight),
            "f1_macro": known.f1_score(labels, decided, average="macro", **weight),
            "log_loss": known.log_loss(labels, probability, **weight),
        }
    )


def test_the_confusion_matrix_is_scikit_learns() -> None:
    labels, probability = case()
    found = MulticlassMetrics.of(labels, probability).confusion(np.ones(len(labels)))
    np.testing.assert_array_equal(found, known.confusion_matrix(labels, probability.argmax(axis=1)))


def test_a_class_that_no_row_has_is_left_out() -> None:
    labels, probability = np.array([0, 0, 1]), np.array([[0.8, 0.1, 0.1], [0, 1, 0], [0, 1, 0]])
    found = MulticlassMetrics.of(labels, probability)(np.ones(3))
    # Recalls 1/2 and 1/1; F1 of each is 2·1/(2+1), as 0 is decided once and 1 twice.
    assert found["balanced_accuracy"] == 0.75
    assert found["f1_macro"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_the_temperature_is_found_again() -> None:
    logits = RNG.normal(size=(40_000, 3))
    probability = np.exp(log_softmax(logits / 1.0))
    labels = (RNG.random((40_000, 1)) > probability.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(2.5 * logits, labels) == pytest.approx(2.5, rel=0.05)


def test_few_rows_that_are_all_right_do_not_make_certain() -> None:
    """Of 18 rows and 3 classes the true one counts 19 of 21: e^(2/T) = 19."""
    labels = np.arange(18) % 3
    found = fit_temperature(2.0 * np.eye(3)[labels], labels)
    assert found == pytest.approx(2 / np.log(19), rel=1e-4)


def test_extreme_logits_stay_numbers() -> None:
    found = np.exp(log_softmax(np.array([[1e4, 0, -1e4], [3.0, 3.0, 3.0]])))
    np.testing.assert_allclose(found, [[1, 0, 0], [1 / 3] * 3])


def test_the_roc_curve_is_the_mean_of_the_classes_curves() -> None:
    labels, probability = case()
    found = roc_curve(labels, probability, 5000)
    rates = [[one[name] for one in found] for name in ("false_positive_rate", "true_positive_rate")]
    assert (rates[0][0], rates[1][0], rates[0][-1], rates[1][-1]) == (0, 0, 1, 1)
    area = known.roc_auc_score(labels, probability, multi_class="ovr", average="macro")
    assert np.trapezoid(rates[1], rates[0]) == pytest.approx(area, abs=2e-3)


def test_one_class_alone_has_no_roc_curve() -> None:
    assert roc_curve(np.zeros(5, dtype=int), np.full((5, 2), 0.5), 10) == []
