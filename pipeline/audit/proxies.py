"""How well features give back a sensitive column: cross-validated AUC, one against the rest.

A column that is left out of the model is not gone while the others tell it.
"""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audit.data_bias import widened

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def by_level(codes: Codes, groups: Codes, fold_of: Codes) -> Floats:
    """Each row's shares of the groups among rows of its feature's level, from the other folds.

    One feature needs no more of a model than this. A level seen seldom is drawn to the shares of
    all rows: PRIOR_ROWS of these are added.

    Args:
        codes: The feature's level of each row, from 0, shape (rows,).
        groups: The sensitive column's group of each row, from 0 to g - 1, shape (rows,).
        fold_of: The fold of each row, shape (rows,).

    Returns:
        Shape (rows, g).
    """
    num_levels, num_groups = int(codes.max()) + 1, int(groups.max()) + 1
    num_folds = int(fold_of.max()) + 1
    index = (fold_of * num_levels + codes) * num_groups + groups
    counts = np.bincount(index, minlength=num_folds * num_levels * num_groups)
    counts = counts.reshape(num_folds, num_levels, num_groups)
    others = counts.sum(axis=0) - counts
    prior = others.sum(axis=1, keepdims=True) / others.sum(axis=(1, 2), keepdims=True)
    shares = (others + PRIOR_ROWS * prior) / (others.sum(axis=2, keepdims=True) + PRIOR_ROWS)
    found: Floats = shares[fold_of, codes]
    return found


PRIOR_ROWS = 2.0


def cross_validated_auc(
    scores: Floats, groups: Codes, fold_of: Codes, confidence: float
) -> dict[str, float]:
    """AUC of each group against the rest, averaged over groups and then over folds, with interval.

    AUC is taken within folds, since scores of different models are not comparable. The interval is
    from the rows' influence on it (DeLong's placements), on the scale of the logit, which keeps it
    within [0, 1]. Source: E. LeDell, M. Petersen, M. van der Laan, Computationally efficient
    confidence intervals for cross-validated area under the ROC curve estimates, Electronic Journal
    of Statistics 9 (2015) 1583-1607; E. DeLong, D. DeLong, D. Clarke-Pearson, Comparing the areas
    under two or more correlated ROC curves, Biometrics 44 (1988) 837-845. It tells of the rows
    that were scored, not of what another sample of fitted rows would give.

    Args:
        scores: Each row's score for each group, shape (rows, g).
        groups: From 0 to g - 1, shape (rows,).
        fold_of: Shape (rows,).
        confidence: Of the two-sided interval.
    """
    aucs, variances = [], []
    for fold in range(int(fold_of.max()) + 1):
        rows = fold_of == fold
        value, influence = _macro_auc(scores[rows], groups[rows])
        aucs.append(value)
        variances.append(float((influence**2).sum()) / len(influence) ** 2)
    value = float(np.mean(aucs))
    error = float(np.sqrt(np.sum(variances))) / len(aucs)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    inside = min(max(value, 1e-9), 1 - 1e-9)
    centre, half = np.log(inside / (1 - inside)), z * error / (inside * (1 - inside))
    low, high = 1 / (1 + np.exp(-np.clip(np.array([centre - half, centre + half]), -50, 50)))
    return {"value": round(value, 6), "low": round(float(low), 6), "high": round(float(high), 6)}


def _macro_auc(scores: Floats, groups: Codes) -> tuple[float, Floats]:
    """The mean of the groups' AUCs against the rest, and each row's influence on it."""
    num_groups = scores.shape[1]
    classes = range(1, 2) if num_groups == 2 else range(num_groups)
    values, influence = [], np.zeros(len(groups))
    for c in classes:
        value, of_rows = _auc(scores[:, c], groups == c)
        values.append(value)
        influence += of_rows
    return float(np.mean(values)), influence / len(values)


def _auc(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float, Floats]:
    """AUC, ties counting half, and the influence of each row; from ranks."""
    from scipy.stats import rankdata

    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    placement = rankdata(scores)
    placement[positive] -= rankdata(scores[positive])
    placement[~positive] -= rankdata(scores[~positive])
    share = np.where(positive, placement / num_negative, 1 - placement / num_positive)
    value = float(share[positive].mean())
    weight = len(positive) / np.where(positive, num_positive, num_negative)
    influence: Floats = weight * (share - value)
    return value, influence


def ranked(
    features: Mapping[str, Codes],
    groups: Codes,
    fold_of: Codes,
    *,
    confidence: float,
    feature_auc: float,
) -> list[dict[str, Any]]:
    """The features' AUCs for one sensitive column, largest first.

    The intervals are widened for the number of features (Bonferroni), since those at the top were
    picked from all. `proxy` is true where the lower bound reaches `feature_auc`.
    """
    level = widened(confidence, len(features))
    found = []
    for name, codes in features.items():
        scores = by_level(codes, groups, fold_of)
        span = cross_validated_auc(scores, groups, fold_of, level)
        found.append({"feature": name, **span, "proxy": span["low"] >= feature_auc})
    return sorted(found, key=lambda one: (-float(one["value"]), str(one["feature"])))


def sentence(column: str, is_feature: bool, together: Mapping[str, float], auc: float) -> str:
    """What the AUC of all features together says, in plain words."""
    span = f"AUC {together['value']:.2f} ({together['low']:.3f} to {together['high']:.3f})"
    if together["low"] >= auc:
        start = (
            f"`{column}` is a feature, and the others"
            if is_feature
            else f"`{column}` is not a feature, and yet the features"
        )
        return f"{start} together give it back at {span}: leaving it out does not hide it."
    whose = "the other features" if is_feature else "the features"
    if together["high"] < auc:
        return f"Together {whose} tell `{column}` at {span}, below the stated {auc:g}."
    return f"Together {whose} tell `{column}` at {span}, which may reach the stated {auc:g}."
