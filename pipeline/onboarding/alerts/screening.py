"""What one feature alone says of the target, measured on rows that it was not fitted on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.settings.columns import Task
from pipeline.onboarding.columns.spellings import Reading

NUM_FOLDS = 5
NUM_BINS = 128
MIN_BIN_ROWS = 10
SMOOTHING = 0.5
"""How many rows of the whole each bin has beside its own: a level met once says little."""


@dataclass(frozen=True)
class Outcome:
    """The target of the sampled rows.

    Attributes:
        task: Its kind.
        values: Shape (rows,) of a number; of classes shape (rows, classes) with 0 and 1, where two
            classes have one column, the positive one.
        fold: In which of the parts each row is, shape (rows,).
        names: Of the classes, as the columns of `values`.
        rest: Of what is no positive, where there are two classes, in words.
    """

    task: Task
    values: NDArray[np.float64]
    fold: NDArray[np.int64]
    names: tuple[str, ...]
    rest: str = "another value"

    @cached_property
    def total(self) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = self.values.mean(axis=0)
        return mean


def outcome(values: pl.Series, task: Task, positive: str, seed: int) -> Outcome:
    """The target's known values, shape (rows,), as arrays with a fold for each row."""
    fold = np.random.default_rng(seed).permutation(values.len()) % NUM_FOLDS
    if task == "regression":
        number = values.cast(pl.Float64).to_numpy()[:, None]
        return Outcome(task, number, fold, (values.name,))
    text = values.cast(pl.String)
    names = (positive,) if task == "binary" else tuple(text.unique().sort())
    hits = [(text == name).to_numpy().astype(float) for name in names]
    others = text.filter(text != positive).unique()
    rest = repr(others[0]) if others.len() == 1 else Outcome.rest
    return Outcome(task, np.column_stack(hits), fold, names, rest)


def codes(reading: Reading, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A feature of some rows as codes from 0, missing among them, shape (rows,).

    Levels are codes; numbers and dates with many values are cut at quantiles.
    """
    values = reading.values.gather(rows)
    if reading.is_date:
        values = values.to_physical()
    if (reading.is_number or reading.is_date) and values.n_unique() > NUM_BINS:
        number = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        known = number[np.isfinite(number)]
        num_bins = max(2, min(NUM_BINS, len(known) // MIN_BIN_ROWS))
        edges = np.unique(np.quantile(known, np.arange(1, num_bins) / num_bins))
        code = 1 + np.searchsorted(edges, number, side="left")
        return np.where(np.isnan(number), 0, code).astype(np.int64)
    return (values.rank("dense").fill_null(0)).to_numpy().astype(np.int64)


def out_of_fold(code: NDArray[np.int64], target: Outcome) -> NDArray[np.float64]:
    """The mean target of each row's code among the rows of the other folds, (rows, columns)."""
    num_codes = int(code.max()) + 1
    place = target.fold * num_codes + code
    size = NUM_FOLDS * num_codes
    rows = np.bincount(place, minlength=size).reshape(NUM_FOLDS, num_codes)
    rows = (rows.sum(axis=0) - rows).reshape(-1)
    found = np.empty_like(target.values)
    for i in range(target.values.shape[1]):
        sums = np.bincount(place, weights=target.values[:, i], minlength=size)
        sums = sums.reshape(NUM_FOLDS, num_codes)
        others = (sums.sum(axis=0) - sums).reshape(-1)
        means = (others + SMOOTHING * target.total[i]) / (rows + SMOOTHING)
        found[:, i] = means[place]
    return found


def strength(predicted: NDArray[np.float64], target: Outcome) -> float:
    """How well numbers of shape (rows, columns) tell the target: the area under the ROC curve, of
    several classes their mean, each against the rest; of a number R² (at least 0)."""
    if target.task == "regression":
        residual = float(((predicted - target.values) ** 2).sum())
        spread = float(((target.values - target.total) ** 2).sum())
        return max(0.0, 1 - residual / spread)
    areas = [
        roc_auc(predicted[:, i], target.values[:, i] > 0) for i in range(target.values.shape[1])
    ]
    return float(np.mean(areas))


def roc_auc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """By the ranks of the positive rows (Mann and Whitney 1947); 0.5 of one class alone."""
    num = int(positive.sum())
    rest = len(positive) - num
    if not num or not rest:
        return 0.5
    ranks = pl.Series(score).rank("average").to_numpy()
    return float((ranks[positive].sum() - num * (num + 1) / 2) / (num * rest))
