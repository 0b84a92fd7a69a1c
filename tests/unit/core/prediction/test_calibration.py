"""Temperature and threshold against searches that try everything; policies at the extremes."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from pipeline.core.prediction.calibration import choose_threshold, fit_temperature
from pipeline.core.prediction.policy import Policy

RNG = np.random.default_rng(5)
LOGITS = RNG.normal(-0.5, 2, 500)
LABELS = (RNG.random(500) < expit(LOGITS / 1.7)).astype(float)


def test_temperature_is_the_best_of_a_grid_with_a_row_of_each_class_reckoned_in() -> None:
    grid, share = np.linspace(0.5, 4, 701), 1 / (len(LABELS) + 2)
    losses = [
        (1 - share) * log_loss(LABELS, expit(LOGITS / one))
        + share * log_loss(1 - LABELS, expit(LOGITS / one))
        for one in grid
    ]
    assert fit_temperature(LOGITS, LABELS) == pytest.approx(grid[np.argmin(losses)], abs=0.005)


def test_that_row_is_hardly_seen_among_hundreds() -> None:
    grid = np.linspace(0.5, 4, 701)
    losses = [log_loss(LABELS, expit(LOGITS / one)) for one in grid]
    assert fit_temperature(LOGITS, LABELS) == pytest.approx(grid[np.argmin(losses)], rel=0.02)


def test_temperature_scales_with_the_logits() -> None:
    once = fit_temperature(LOGITS, LABELS)
    assert fit_temperature(3 * LOGITS, LABELS) == pytest.approx(3 * once, rel=1e-3)


def test_a_few_rows_that_are_all_right_do_not_make_a_model_certain() -> None:
    logits, labels = np.array([-1, 1.0]), np.array([0, 1.0])
    found = fit_temperature(logits, labels)
    assert expit(1 / found) == pytest.approx(3 / 4, abs=1e-3)  # one of each beside the two


def standard_error(decisions: np.ndarray, maximise: str) -> float:
    right = decisions == (LABELS == 1)
    parts = [right] if maximise == "accuracy" else [right[LABELS == 1], right[LABELS == 0]]
    return float(np.sqrt(sum(part.var() / len(part) for part in parts)) / len(parts))


@pytest.mark.parametrize(
    ("maximise", "score", "optimum"),
    [
        ("accuracy", accuracy_score, 0.5),
        ("balanced_accuracy", balanced_accuracy_score, LABELS.mean()),
    ],
)
def test_threshold_is_as_good_as_the_best_and_nearest_to_the_optimum(
    maximise: str, score: Callable[..., float], optimum: float
) -> None:
    probability = expit(LOGITS / 1.7)
    found = choose_threshold(probability, LABELS, maximise)  # type: ignore[arg-type]
    tried = [i / 100 for i in range(5, 96)]
    scores = {one: score(LABELS, probability >= one) for one in tried}
    best = max(tried, key=scores.__getitem__)
    least = scores[best] - standard_error(probability >= best, maximise)
    good = [one for one in tried if scores[one] >= least - 1e-12]
    assert 1 < len(good) < len(tried)
    assert found == min(good, key=lambda one: abs(one - optimum))


def test_a_threshold_that_is_better_beyond_noise_is_taken() -> None:
    probability = np.repeat([0.1, 0.2, 0.4, 0.9], 250)
    labels = np.repeat([0, 0, 1, 1.0], 250)
    assert choose_threshold(probability, labels, "accuracy") == 0.4


def test_of_equal_thresholds_the_one_nearest_to_a_half_is_chosen() -> None:
    probability, labels = np.array([0.1, 0.9]), np.array([0, 1.0])
    assert choose_threshold(probability, labels, "accuracy") == 0.5
    assert choose_threshold(np.array([0.1, 0.3]), labels, "accuracy") == 0.3
    assert choose_threshold(np.array([0.7, 0.9]), labels, "accuracy") == 0.71


@pytest.mark.filterwarnings("error")
def test_probabilities_never_overflow() -> None:
    found = Policy(0.05, 0.5).probability(np.array([-1e4, -30, 0, 30, 1e4]))
    assert found[[0, 2, 4]].tolist() == [0, 0.5, 1]
    assert np.isfinite(found).all()


def test_probabilities_are_the_logistic_function_of_the_scaled_logit() -> None:
    logits = np.linspace(-40, 40, 161)
    found = Policy(2.0, 0.5).probability(logits)
    np.testing.assert_allclose(found, expit(logits / 2), rtol=1e-12)


def test_a_probability_at_the_threshold_is_a_positive_decision() -> None:
    assert Policy(1, 0.3).decide(np.array([0.3, 0.2999])).tolist() == [True, False]


def test_a_policy_comes_back_from_its_file() -> None:
    policy = Policy(1.25, 0.43)
    assert Policy.from_dict({**policy.as_dict(), "maximise": "accuracy"}) == policy
