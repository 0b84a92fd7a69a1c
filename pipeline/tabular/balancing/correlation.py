"""Take from numbers what a straight line can tell of sensitive columns, in training rows alone.

Fairlearn's `CorrelationRemover` replaces a number x by x - (S - mean of S) · w, with S the
sensitive columns as indicators of their levels and w fitted by least squares. To apply it to a row
one must know the row's sensitive values, and a service should not ask for them. So the model is
fitted on rows that went through it and asked about rows that did not: the same as applying it with
every sensitive column at its mean, where S - mean of S is zero. What numbers tell of a group is
then no longer in what the model learns from, and still in the rows that it is asked about. Whether
that narrows a gap, only the measurement on rows outside training says.

Categories and dates stay as they are, and what is not linear stays too.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.dataset.groups import levels
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns

Floats = NDArray[np.float64]


def removed(
    train: pl.DataFrame, names: Sequence[str], columns: Columns, alpha: float
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """Training rows with their numbers changed, and each number's correlations before and after.

    A number is fitted on the rows that have it; a missing one stays missing.

    Args:
        names: The sensitive columns, each by itself.
        alpha: 1 takes the whole correlation, 0 nothing; between them the two are mixed.

    Raises:
        ProjectError: there is no number, or one of them is itself a named sensitive column.
    """
    check_numbers(names, columns)
    sensitive = indicators(train, names, columns)
    changed, report = [], []
    for name in columns.numeric:
        number = train[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        known = np.isfinite(number)
        result = number.copy()
        if known.any():
            result[known] = residual(number[known], sensitive[known], alpha)
        changed.append(pl.Series(name, result).fill_nan(None))
        report.append(
            {
                "column": name,
                "num_missing": int((~known).sum()),
                "before": largest_correlation(number[known], sensitive[known]),
                "after": largest_correlation(result[known], sensitive[known]),
            }
        )
    return train.with_columns(changed), report


def check_numbers(names: Sequence[str], columns: Columns) -> None:
    """Refuse a project that has no number to change, or one that would be taken from itself."""
    if not columns.numeric:
        raise ProjectError(
            "balance.method: correlation_remover changes numbers, and the project has none",
            hint="name some under `columns.numeric`, or take another `balance.method`",
        )
    for name in names:
        if name in columns.numeric:
            raise ProjectError(
                f"balance.columns: {name!r} is a feature as well; with its correlation with itself "
                "taken nothing is left of it",
                hint="leave it out of `balance.columns`, or of `columns.numeric`",
            )


def indicators(table: pl.DataFrame, names: Sequence[str], columns: Columns) -> Floats:
    """1 for members of each level of each column, shape (rows, levels); missing is a level."""
    found = []
    for name in names:
        texts = levels(table, name, columns)
        found += [(texts == level).cast(pl.Float64).to_numpy() for level in texts.unique().sort()]
    return np.stack(found, axis=1)


def residual(number: Floats, sensitive: Floats, alpha: float) -> Floats:
    """The number without its correlation with the indicators, shape (rows,)."""
    from fairlearn.preprocessing import CorrelationRemover

    width = sensitive.shape[1]
    remover = CorrelationRemover(sensitive_feature_ids=list(range(width)), alpha=alpha)
    result: Floats = remover.fit_transform(np.column_stack([sensitive, number]))[:, 0]
    return result


def largest_correlation(number: Floats, sensitive: Floats) -> float:
    """The largest Pearson correlation, by size, with an indicator; 0 where nothing varies."""
    if len(number) == 0 or np.ptp(number) < 1e-9 * max(1.0, float(np.abs(number).max())):
        return 0.0
    moved = number - number.mean()
    centred = sensitive - sensitive.mean(axis=0)
    scale = np.sqrt((moved**2).sum() * (centred**2).sum(axis=0))
    found = np.abs(moved @ centred) / np.where(scale > 0, scale, np.inf)
    return round(float(found.max()), 6)
