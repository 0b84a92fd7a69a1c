"""How sure the features make one of a training row's label: what preferential sampling ranks by."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.balancing.contingency import labels
from pipeline.core.settings.columns import Columns
from pipeline.tabular.data import dates
from pipeline.tabular.evaluation import features

Floats = NDArray[np.float64]
NUM_PARTS = 5


def own_label(train: pl.DataFrame, columns: Columns, seed: int) -> Floats:
    """The probability that each row has the label that it has, by its features; shape (rows,).

    From histogram gradient boosting (scikit-learn) on the other parts of a cross-validation, so
    that no row is ranked by what was learnt from itself. Sensitive columns take no part unless
    they are features.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    texts = labels(train, columns)
    known = texts.unique().sort()
    label = texts.cast(pl.Enum(known)).to_physical().cast(pl.Int64).to_numpy()
    numbers = [train[name].cast(pl.Float64).fill_null(np.nan) for name in columns.numeric]
    for name in columns.dates:
        numbers += [one.fill_null(np.nan) for one in dates.parts(train[name], dates.OF_A_DATE)]
    codes = [
        train[name].cast(pl.String).rank("dense").cast(pl.Float64).fill_null(np.nan)
        for name in columns.categorical
    ]
    rows = np.stack([values.to_numpy() for values in (*numbers, *codes)], axis=1)
    rows = rows[:, features.told(rows)]
    model = HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=seed)
    num_parts = max(2, min(NUM_PARTS, int(np.bincount(label).min())))
    parts = StratifiedKFold(num_parts, shuffle=True, random_state=seed)
    with threadpool_limits(1):  # sums in a fixed order give fixed bytes
        found = cross_val_predict(model, rows, label, cv=parts, method="predict_proba")
    own: Floats = found[np.arange(len(label)), label]
    return own
