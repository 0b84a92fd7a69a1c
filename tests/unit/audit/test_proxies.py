"""How well features tell a group: AUC equals scikit-learn's, its interval DeLong's."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.audit.proxies import by_level, cross_validated_auc, ranked, sentence


def test_the_auc_is_scikit_learns_averaged_over_folds() -> None:
    rng = np.random.default_rng(0)
    groups, fold_of = rng.integers(0, 3, 600), np.arange(600) % 4
    scores = np.round(rng.dirichlet(np.ones(3), 600) + np.eye(3)[groups] * 0.3, 2)  # with ties
    found = cross_validated_auc(scores, groups, fold_of, 0.95)
    each = [
        roc_auc_score(groups[fold_of == fold] == c, scores[fold_of == fold, c])
        for fold in range(4)
        for c in range(3)
    ]
    assert found["value"] == pytest.approx(np.mean(each), abs=1e-6)
    assert found["low"] < found["value"] < found["high"]


def test_two_groups_in_one_fold_have_delongs_variance() -> None:
    """Placements from all pairs of rows, as DeLong et al. wrote them, with n for n - 1."""
    rng = np.random.default_rng(1)
    positive, negative = rng.normal(1, 1, 40), rng.normal(0, 1, 60)
    wins = (positive[:, None] > negative[None, :]).astype(float)
    auc = wins.mean()
    error = np.sqrt(wins.mean(axis=1).var() / 40 + wins.mean(axis=0).var() / 60)
    score = np.concatenate([positive, negative])
    groups = np.array([1] * 40 + [0] * 60)
    found = cross_validated_auc(
        np.column_stack([-score, score]), groups, np.zeros(100, dtype=np.int64), 0.95
    )
    logit, half = np.log(auc / (1 - auc)), 1.959964 * error / (auc * (1 - auc))
    assert found["value"] == pytest.approx(auc, abs=1e-6)
    assert found["low"] == pytest.approx(1 / (1 + np.exp(half - logit)), abs=1e-5)
    assert found["high"] == pytest.approx(1 / (1 + np.exp(-half - logit)), abs=1e-5)


def test_a_level_is_scored_by_the_other_folds_alone() -> None:
    """Fold 0 is scored by fold 1: level 0 has groups 1, 1 there, level 1 has 0. The prior is
    (1/3, 2/3), of weight 2: level 0 gives group 1 (2 + 2 · 2/3) / 4, level 1 (0 + 2 · 2/3) / 3."""
    codes, groups = np.array([0, 1, 0, 0, 1]), np.array([0, 1, 1, 1, 0])
    found = by_level(codes, groups, np.array([0, 0, 1, 1, 1]))
    assert found[:2, 1] == pytest.approx([(2 + 4 / 3) / 4, (4 / 3) / 3])
    assert found.sum(axis=1) == pytest.approx(np.ones(5))


def test_a_proxy_is_ranked_first_and_noise_is_none() -> None:
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 2, 2000)
    tells = np.where(rng.random(2000) < 0.9, groups, 1 - groups)
    noise = rng.integers(0, 8, 2000)
    fold_of = np.arange(2000) % 5
    first, second = ranked(
        {"noise": noise, "tells": tells}, groups, fold_of, confidence=0.95, feature_auc=0.7
    )
    assert (first["feature"], first["proxy"]) == ("tells", True)
    assert first["value"] == pytest.approx(0.9, abs=0.02)
    assert (second["feature"], second["proxy"]) == ("noise", False)
    assert second["low"] < 0.5 < second["high"]


def test_perfect_telling_has_a_bound_within_one() -> None:
    groups = np.array([0, 1] * 50)
    found = cross_validated_auc(np.eye(2)[groups], groups, np.zeros(100, dtype=np.int64), 0.95)
    assert found == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(
    ("low", "high", "is_feature", "words"),
    [
        (0.947, 0.953, False, "`sex` is not a feature, and yet the features together give it back"),
        (0.947, 0.953, True, "`sex` is a feature, and the others together give it back"),
        (0.6, 0.7, False, "below the stated 0.8"),
        (0.78, 0.82, False, "which may reach the stated 0.8"),
    ],
)
def test_it_is_said_in_plain_words(low: float, high: float, is_feature: bool, words: str) -> None:
    span = {"value": (low + high) / 2, "low": low, "high": high}
    assert words in sentence("sex", is_feature, span, 0.8)
