"""Thresholds for each group, by Fairlearn's `ThresholdOptimizer` on our calibrated probabilities.

Fairlearn chooses them and is not needed to decide: what it found is kept as numbers
(`pipeline.core.prediction.policy.GroupThresholds`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from fairlearn.postprocessing import ThresholdOptimizer
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from pipeline.calibrate.postprocessing import Mitigation
from pipeline.core.dataset.groups import group_names
from pipeline.core.errors import ProjectError
from pipeline.core.prediction.calibration import Objective
from pipeline.core.prediction.policy import GroupThresholds, Mixture
from pipeline.core.settings.columns import Columns

Floats = NDArray[np.float64]
OBJECTIVES = {"accuracy": "accuracy_score", "balanced_accuracy": "balanced_accuracy_score"}


class Given(BaseEstimator):  # type: ignore[misc]
    """An estimator whose probabilities are its input: what Fairlearn asks for is known already."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self) -> "Given":
        """Nothing to do; scikit-learn knows an estimator by this."""
        return self

    def predict_proba(self, probability: Floats) -> Floats:
        """Of both classes, shape (rows, 2)."""
        return np.column_stack([1 - probability[:, 0], probability[:, 0]])


@dataclass(frozen=True)
class Optimized:
    """What was chosen, and which groups got none.

    Attributes:
        thresholds: By group.
        without: Groups that have no thresholds of their own, and their numbers of rows: fewer than
            `min_group_size`, or all of one outcome.
    """

    thresholds: GroupThresholds
    without: dict[str, int]


def optimize(
    probability: Floats,
    labels: Floats,
    table: pl.DataFrame,
    columns: Columns,
    settings: Mitigation,
    maximise: Objective,
) -> Optimized:
    """Each group's thresholds.

    Args:
        probability: Calibrated, shape (rows,).
        labels: 0 or 1, shape (rows,).
        table: The rows' sensitive columns.
        columns: The project's.
        settings: Constraint, limit, and the salt of the policy's draws.
        maximise: What is best among thresholds that keep the constraint.

    Raises:
        ProjectError: fewer than two groups have enough rows, of both outcomes.
    """
    by = settings.of(columns)
    groups = group_names(table, by, columns)
    counted = (
        pl.DataFrame({"group": groups, "label": labels})
        .group_by("group")
        .agg(pl.len().alias("num_rows"), (pl.col("label").n_unique() == 2).alias("both"))
        .sort("group")
    )
    is_large = (pl.col("num_rows") >= settings.min_group_size) & pl.col("both")
    names = counted.filter(is_large)["group"]
    if len(names) < 2:
        raise ProjectError(
            f"calibrate.mitigation: expected at least two groups by {groups.name} with "
            f"{settings.min_group_size} calibration rows, of both outcomes, found {len(names)}",
            hint="name fewer columns under `calibrate.mitigation.columns`, lower "
            "`calibrate.mitigation.min_group_size`, or give `split` more calibration rows",
        )
    kept = groups.is_in(names.implode()).to_numpy()
    fitted = fit(probability[kept], labels[kept], groups.filter(kept).to_list(), settings, maximise)
    thresholds = GroupThresholds(
        columns=by,
        edges={
            name: columns.sensitive_edges[name] for name in by if name in columns.sensitive_edges
        },
        salt=settings.salt,
        groups={name: mixture_of(fitted.interpolation_dict[name]) for name in names},
    )
    without = counted.filter(~is_large).select("group", "num_rows")
    return Optimized(thresholds, dict(without.iter_rows()))


def fit(
    probability: Floats,
    labels: Floats,
    groups: list[str],
    settings: Mitigation,
    maximise: Objective,
) -> Any:
    """Fairlearn's `InterpolatedThresholder` for these rows."""
    optimizer = ThresholdOptimizer(
        estimator=Given(),
        constraints=settings.constraint,
        objective=OBJECTIVES[maximise],
        prefit=True,
        predict_method="predict_proba",
        tol=settings.at_most,
    )
    optimizer.fit(probability[:, None], labels.astype(int), sensitive_features=groups)
    return optimizer.interpolated_thresholder_


def mixture_of(interpolation: Any) -> Mixture:
    """Fairlearn's interpolation as numbers. A threshold beyond all probabilities becomes -1 or 1:
    everybody lies above the one, nobody above the other."""

    def threshold(operation: Any) -> float:
        return float(np.clip(operation.threshold, -1.0, 1.0))

    return Mixture(
        p0=float(interpolation.p0),
        threshold0=threshold(interpolation.operation0),
        p1=float(interpolation.p1),
        threshold1=threshold(interpolation.operation1),
        p_ignore=float(interpolation.get("p_ignore", 0.0)),
        prediction_constant=float(interpolation.get("prediction_constant", 0.0)),
    )
