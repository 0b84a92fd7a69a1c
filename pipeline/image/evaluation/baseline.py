"""The cheap model that the network has to beat: a linear one of the image made small."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.prediction.outcome import BINARY, Outcome
from pipeline.core.settings.columns import Columns
from pipeline.image.model.encoding import Encoder, Pixels

NAME = "logistic regression on the image made small, 14 × 14 (scikit-learn)"
SIDE = 14
PENALTY = 0.01
"""Scikit-learn's C: small, as neighbouring pixels say nearly the same."""

MAX_ITERATIONS = 1000

Floats = NDArray[np.float64]


def logits(
    train: pl.DataFrame,
    tables: list[pl.DataFrame],
    columns: Columns,
    encoder: Encoder,
    seed: int,
    outcome: Outcome = BINARY,
) -> list[Floats]:
    """Fit on training rows with their weights; return outputs of each table's rows.

    They are what the network's are: logits, of shape (rows,) or, of several classes,
    (rows, classes); of a regression, numbers as `Outcome.encoded` has them (ridge regression).
    """
    from sklearn.linear_model import LogisticRegression, Ridge
    from threadpoolctl import threadpool_limits

    model = (
        Ridge(alpha=1 / PENALTY, random_state=seed)
        if outcome.task == "regression"
        else LogisticRegression(C=PENALTY, max_iter=MAX_ITERATIONS, random_state=seed)
    )
    fitted = _features(train, encoder)
    mean, deviation = fitted.mean(axis=0), fitted.std(axis=0)
    deviation[deviation == 0] = 1.0
    weights = train["_weight"].to_numpy() if "_weight" in train.columns else None
    with threadpool_limits(1):  # sums in a fixed order give fixed bytes
        model.fit((fitted - mean) / deviation, outcome.encoded(train, columns), weights)
        return [
            outcome.outputs_of(model, (_features(rows, encoder) - mean) / deviation)
            for rows in tables
        ]


def operations(train: pl.DataFrame, encoder: Encoder, outcome: Outcome = BINARY) -> float:
    """What fitting takes in arithmetic at the most: each iteration goes through the small images
    twice, for outputs and for their gradient, and multiplies and adds for each output; before it
    the pixels are added up. A search along a line that tries twice is not counted.
    """
    pixels = train.height * encoder.channels * encoder.size**2
    small = train.height * encoder.channels * min(encoder.size, SIDE) ** 2
    return float(4 * small * outcome.num_outputs * MAX_ITERATIONS + pixels)


def _features(table: pl.DataFrame, encoder: Encoder) -> Floats:
    (pixels,) = encoder.encode(table)
    small = pooled(pixels)
    return small.reshape(len(small), small[0].size if len(small) else 0)


def pooled(pixels: Pixels) -> Floats:
    """Means over a grid of at most 14 × 14 parts, from 0 to 1: (rows, channels, parts, parts)."""
    size = pixels.shape[2]
    edges = np.linspace(0, size, min(size, SIDE) + 1).astype(int)
    sums = np.add.reduceat(pixels, edges[:-1], axis=2, dtype=np.int64)
    sums = np.add.reduceat(sums, edges[:-1], axis=3)
    areas = np.outer(np.diff(edges), np.diff(edges))
    return np.asarray(sums / areas / 255)
