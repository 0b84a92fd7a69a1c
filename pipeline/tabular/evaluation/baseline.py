"""The cheap model that the network has to beat: scikit-learn's histogram gradient boosting."""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.prediction.outcome import BINARY, Outcome
from pipeline.core.settings.columns import Columns
from pipeline.tabular.data import dates
from pipeline.tabular.evaluation import features
from pipeline.tabular.model.encoding import Encoder

NAME = "histogram gradient boosting (scikit-learn, default settings)"
MAX_CATEGORIES = 254
MAX_TREES, MAX_LEAVES, MAX_BINS = 100, 31, 256
"""scikit-learn's defaults."""


def logits(
    train: pl.DataFrame,
    tables: list[pl.DataFrame],
    columns: Columns,
    encoder: Encoder,
    seed: int,
    outcome: Outcome = BINARY,
) -> list[NDArray[np.float64]]:
    """Fit on training rows with their weights; return outputs of each table's rows.

    They are what the network's are: logits, of shape (rows,) or, of several classes,
    (rows, classes); of a regression, numbers as `Outcome.encoded` has them.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    few = [len(known) < MAX_CATEGORIES for known in encoder.levels.values()]
    categorical = [False] * sum(encoder.widths) + few
    of_task = (
        HistGradientBoostingRegressor
        if outcome.task == "regression"
        else HistGradientBoostingClassifier
    )
    train = once(train)
    fitted = _features(train, encoder)
    told = features.told(fitted)
    model = of_task(random_state=seed, categorical_features=np.array(categorical)[told])
    weights = train["_weight"].to_numpy() if "_weight" in train.columns else None
    targets = outcome.encoded(train, columns)
    with threadpool_limits(1):  # sums in a fixed order give fixed bytes
        model.fit(fitted[:, told], targets, sample_weight=weights)
        return [outcome.outputs_of(model, _features(rows, encoder)[:, told]) for rows in tables]


def operations(train: pl.DataFrame, encoder: Encoder, outcome: Outcome = BINARY) -> float:
    """What fitting takes in arithmetic at the most, by scikit-learn's defaults.

    Of each tree: a row adds gradient, hessian and count to the histogram of each feature at the
    root and wherever it falls on the smaller side of a split, which over a tree of L leaves is at
    most log2(L) / 2 times on average (the smaller share of a split is at most half its entropy in
    bits); each node weighs each bin of each feature, some ten operations; each row's loss is
    derived and its leaf added, some ten more. Before all that each value finds its bin by halving.
    Trees that early stopping would save are counted.
    """
    num_rows, num_features = once(train).height, sum(encoder.widths) + len(encoder.levels)
    visits = num_rows * (1 + math.log2(MAX_LEAVES) / 2)
    nodes = 2 * MAX_LEAVES - 1
    tree = 3 * visits * num_features + 10 * nodes * num_features * MAX_BINS + 10 * num_rows
    binning = num_rows * num_features * math.log2(MAX_BINS)
    return MAX_TREES * outcome.num_outputs * tree + binning


def once(train: pl.DataFrame) -> pl.DataFrame:
    """A row that `balance` repeats, once and with the sum of its weights; made rows as they are.

    The boosting holds rows back to know when to stop: copies on both sides would hide it.
    """
    if not {"_row", "_weight"} <= set(train.columns):
        return train
    delivered = train.filter(pl.col("_row").is_not_null())
    if delivered["_row"].n_unique() == delivered.height:
        return train
    summed = delivered.with_columns(pl.col("_weight").sum().over("_row"))
    summed = summed.unique("_row", keep="first", maintain_order=True)
    return pl.concat([summed, train.filter(pl.col("_row").is_null())])


def _features(table: pl.DataFrame, encoder: Encoder) -> NDArray[np.float64]:
    """Numbers and parts of dates as they are, categories as the encoder's indices; shape (rows,
    features). A missing number stays nan: the trees learn which side it belongs to."""
    numbers = [table[name] for name in encoder.edges]
    for name, parts in encoder.dates.items():
        numbers += dates.parts(table[name], list(parts))
    _, levels = encoder.encode(table)
    return np.column_stack([*(one.cast(pl.Float64).to_numpy() for one in numbers), levels * 1.0])
