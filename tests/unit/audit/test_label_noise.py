"""Suspect labels by the rule of confident learning, worked by hand and found where planted."""

import numpy as np

from pipeline.audit.label_noise import out_of_fold, suspects


def test_the_rule_by_hand() -> None:
    """Thresholds: of label 0 the mean of .9, .7, .2 = .6; of label 1 that of .8, .1, .55 = .4833.
    Row 2 (label 0, .8 for 1) and row 4 (label 1, .9 for 0) reach the other label's. Row 5 keeps its
    own: of both thresholds it reaches only that of 1."""
    probability_of_one = np.array([0.1, 0.3, 0.8, 0.8, 0.1, 0.55])
    probabilities = np.column_stack([1 - probability_of_one, probability_of_one])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert suspects(labels, probabilities).tolist() == [False, False, True, False, True, False]


def test_a_row_that_is_sure_of_nothing_is_no_suspect() -> None:
    probabilities = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.34] * 3])
    assert not suspects(np.array([0, 1, 2, 0]), probabilities)[3]


def test_flipped_labels_are_most_of_the_suspects() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 2))
    true = (x[:, 0] > 0).astype(np.int64)
    flipped = rng.random(3000) < 0.05
    how = {"num_folds": 4, "seed": 1}
    probabilities, fold_of = out_of_fold(x, np.zeros(2, bool), true ^ flipped, **how)
    found = suspects(true ^ flipped, probabilities)
    assert found[flipped].mean() > 0.75
    assert flipped[found].mean() > 0.8
    assert sorted(np.unique(fold_of)) == [0, 1, 2, 3]
    again, _ = out_of_fold(x, np.zeros(2, bool), true ^ flipped, **how)
    assert np.array_equal(probabilities, again)


def test_labels_that_nothing_explains_make_no_suspects_by_group() -> None:
    rng = np.random.default_rng(2)
    labels, group = rng.integers(0, 2, 3000), rng.integers(0, 2, 3000)
    probabilities, _ = out_of_fold(
        rng.normal(size=(3000, 2)), np.zeros(2, bool), labels, num_folds=3, seed=0
    )
    found = suspects(labels, probabilities)
    assert abs(found[group == 0].mean() - found[group == 1].mean()) < 0.06


def test_a_feature_without_any_value_is_no_error() -> None:
    labels = np.arange(40) % 2
    nothing = np.full((40, 1), np.nan)
    how = {"num_folds": 4, "seed": 0}
    found, _ = out_of_fold(nothing, np.zeros(1, bool), labels, **how)
    np.testing.assert_allclose(found, 0.5)
    beside = np.column_stack([nothing, labels])
    found, _ = out_of_fold(beside, np.zeros(2, bool), labels, **how)
    assert found.shape == (40, 2)
