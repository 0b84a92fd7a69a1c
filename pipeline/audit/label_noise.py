"""Labels that the other columns speak against: suspects, not proven errors.

Source: C. Northcutt, L. Jiang, I. Chuang, Confident learning: estimating uncertainty in dataset
labels, Journal of Artificial Intelligence Research 70 (2021) 1373-1411.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


def suspects(labels: Labels, probabilities: Floats) -> Flags:
    """Whether each row is confidently of another label than the given one; shape (rows,).

    Northcutt's rule: the threshold of a label is the mean probability that rows of this label get
    for it. A row belongs to the most probable of the labels whose threshold it reaches, and is a
    suspect if that is not its own. A row that reaches none is no suspect.

    Args:
        labels: From 0 to K - 1, each of them present, shape (rows,).
        probabilities: From models that did not see the row, shape (rows, K).
    """
    own = np.eye(probabilities.shape[1], dtype=bool)[labels]
    thresholds = (probabilities * own).sum(axis=0) / np.maximum(own.sum(axis=0), 1)
    reached = probabilities >= thresholds
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    found: Flags = reached.any(axis=1) & (best != labels)
    return found


def out_of_fold(
    features: Floats,
    categorical: Flags,
    labels: Labels,
    *,
    num_folds: int,
    seed: int,
    num_leaves: int = 31,
) -> tuple[Floats, Labels]:
    """Each row's class probabilities from a model that did not see it, and the row's fold.

    scikit-learn's histogram gradient boosting with few trees, on one thread: sums in a fixed order
    give fixed bytes. Every label must have at least `num_folds` rows.

    Args:
        features: Shape (rows, features); missing is nan.
        categorical: Which features are codes of levels, shape (features,).
        labels: From 0 to K - 1, shape (rows,).
        num_leaves: Of each tree: many to tell rows apart, few for probabilities to rely on.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    num_labels = int(labels.max()) + 1
    found = np.zeros((len(labels), num_labels))
    fold_of = np.zeros(len(labels), dtype=np.int64)
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    with threadpool_limits(1):
        for fold, (fitted, held_out) in enumerate(folds.split(features, labels)):
            fold_of[held_out] = fold
            known = ~np.isnan(features[fitted]).all(axis=0)
            if not known.any():
                found[held_out] = np.bincount(labels[fitted], minlength=num_labels) / len(fitted)
                continue
            model = HistGradientBoostingClassifier(
                max_iter=int(np.clip(MAX_TREES // num_labels, 10, NUM_ROUNDS)),
                max_leaf_nodes=num_leaves,
                early_stopping=False,
                categorical_features=categorical[known],
                random_state=seed,
            )
            model.fit(features[fitted][:, known], labels[fitted])
            found[held_out] = model.predict_proba(features[held_out][:, known])
    return found, fold_of


NUM_ROUNDS, MAX_TREES = 100, 300
"""Boosting rounds: enough for the order of rows, few enough for several folds and columns. Each
round grows a tree per label, so many labels get fewer rounds."""
