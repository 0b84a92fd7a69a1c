"""The cheap model that the network has to beat: words and pairs of words, weighted and added up."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.prediction.outcome import BINARY, Outcome
from pipeline.core.settings.columns import Columns
from pipeline.text.model.encoding import Encoder, text_of

NAME = "TF-IDF of words and pairs of words, logistic regression (scikit-learn)"
PENALTY = 4.0
"""Scikit-learn's C; its default of 1 is too strong for rows of length 1 with many features."""
MAX_ITERATIONS = 300


def logits(
    train: pl.DataFrame,
    tables: list[pl.DataFrame],
    columns: Columns,
    encoder: Encoder,  # noqa: ARG001 -- every modality's baseline is called with it
    seed: int,
    outcome: Outcome = BINARY,
) -> list[NDArray[np.float64]]:
    """Fit on training rows with their weights; return outputs of each table's rows.

    They are what the network's are: logits, of shape (rows,) or, of several classes,
    (rows, classes); of a regression, numbers as `Outcome.encoded` has them (ridge regression).
    """
    from sklearn.linear_model import LogisticRegression, Ridge
    from threadpoolctl import threadpool_limits

    column = text_of(columns)
    words = weighted_words()
    model = (
        Ridge(alpha=1.0, solver="sparse_cg", random_state=seed)
        if outcome.task == "regression"
        else LogisticRegression(C=PENALTY, max_iter=MAX_ITERATIONS, random_state=seed)
    )
    weights = train["_weight"].to_numpy() if "_weight" in train.columns else None
    with threadpool_limits(1):  # sums in a fixed order give fixed bytes
        fitted = words.fit_transform(_texts(train, column))
        model.fit(fitted, outcome.encoded(train, columns), sample_weight=weights)
        return [outcome.outputs_of(model, words.transform(_texts(rows, column))) for rows in tables]


def weighted_words() -> Any:
    """How texts become weights of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")


def operations(train: pl.DataFrame, encoder: Encoder, outcome: Outcome = BINARY) -> float:
    """What fitting takes in arithmetic at the most: each iteration goes through the weights that
    are not zero twice, for outputs and for their gradient, and multiplies and adds for each output.
    """
    fitted = weighted_words().fit_transform(_texts(train, encoder.column))
    return float(4 * fitted.nnz * outcome.num_outputs * MAX_ITERATIONS)


def _texts(table: pl.DataFrame, column: str) -> list[str]:
    return table[column].cast(pl.String).fill_null("").to_list()
