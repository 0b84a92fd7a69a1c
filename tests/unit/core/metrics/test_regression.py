"""Predicted numbers: scikit-learn's measures."""

import numpy as np
import pytest
import sklearn.metrics as known

from pipeline.core.metrics.regression import RegressionMetrics

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("weighted", [False, True])
def test_measures_are_scikit_learns(weighted: bool) -> None:
    truth = RNG.normal(50, 10, 200)
    prediction = truth + RNG.normal(1, 5, 200)
    weights = RNG.integers(0, 4, 200).astype(float) if weighted else np.ones(200)
    assert RegressionMetrics(truth, prediction)(weights) == pytest.approx(
        {
            "mean_absolute_error": known.mean_absolute_error(
                truth, prediction, sample_weight=weights
            ),
            "root_mean_squared_error": known.root_mean_squared_error(
                truth, prediction, sample_weight=weights
            ),
            "r2": known.r2_score(truth, prediction, sample_weight=weights),
        }
    )


@pytest.mark.parametrize(("prediction", "r2"), [([3.0, 3.0], 1.0), ([3.0, 4.0], 0.0)])
def test_rows_of_one_truth_give_no_division_by_zero(prediction: list[float], r2: float) -> None:
    truth, predicted = np.array([3.0, 3.0]), np.array(prediction)
    assert RegressionMetrics(truth, predicted)(np.ones(2))["r2"] == r2
    assert known.r2_score(truth, predicted) == r2
