"""The cheap model that the network has to beat: scikit-learn's histogram gradient boosting."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.labels import positives
from pipeline.core.project import Columns
from pipeline.tabular.encoding import Encoder

NAME = "histogram gradient boosting (scikit-learn, default settings)"
MAX_CATEGORIES = 254


def logits(
    train: pl.DataFrame, tables: list[pl.DataFrame], columns: Columns, encoder: Encoder, seed: int
) -> list[NDArray[np.float64]]:
    """Fit on training rows with their weights; return the logits of each table's rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    few = [len(known) < MAX_CATEGORIES for known in encoder.levels.values()]
    categorical = [False] * len(columns.numeric) + few
    model = HistGradientBoostingClassifier(random_state=seed, categorical_features=categorical)
    train = once(train)
    weights = train["_weight"].to_numpy() if "_weight" in train.columns else None
    labels = positives(train, columns).to_numpy()
    with threadpool_limits(1):  # sums in a fixed order give fixed bytes
        model.fit(_features(train, columns, encoder), labels, sample_weight=weights)
        return [model.decision_function(_features(rows, columns, encoder)) for rows in tables]


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


def _features(table: pl.DataFrame, columns: Columns, encoder: Encoder) -> NDArray[np.float64]:
    """Numbers as they are, categories as the encoder's indices; shape (rows, features)."""
    numbers = [table[name].cast(pl.Float64).to_numpy() for name in columns.numeric]
    _, levels = encoder.encode(table)
    return np.column_stack([*numbers, levels.astype(float)])
