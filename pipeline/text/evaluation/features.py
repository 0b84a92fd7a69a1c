"""A table's texts for what is counted and for scikit-learn's trees: directions of their words."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.metrics.slices import MISSING, ranges
from pipeline.core.settings.columns import Columns
from pipeline.text.data.content import keys
from pipeline.text.data.scripts import script
from pipeline.text.data.words import each, is_prose, lengths

MAX_WORDS = 20_000
NUM_DIRECTIONS = 50
SEED = 0
MANY_VALUES = 20
"""A column with more values than this is told apart by the length of its texts."""


def matrix(
    table: pl.DataFrame, columns: Columns, without: tuple[str, ...] = ()
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The texts' words as a few numbers, shape (rows, directions + 1), none a category.

    Words by TF-IDF, brought down to at most 50 directions by a singular value decomposition with a
    fixed seed (latent semantic analysis: Deerwester et al., JASIS 41 (1990) 391-407), and the
    logarithm of the number of words. Nothing of a label is used.
    """
    name = str(columns.text)
    if name in without:
        return np.zeros((table.height, 0)), np.zeros(0, dtype=bool)
    words = lengths(table[name]).fill_null(0).to_numpy()
    rows = np.column_stack([_directions(table[name].fill_null("").to_list()), np.log1p(words)])
    return rows, np.zeros(rows.shape[1], dtype=bool)


def _directions(texts: list[str]) -> NDArray[np.float64]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=MAX_WORDS)
    try:
        weighted: Any = vectorizer.fit_transform(texts)
    except ValueError:  # no text has a word
        return np.zeros((len(texts), 0))
    num = min(NUM_DIRECTIONS, min(weighted.shape) - 1)
    if num < 1:
        return np.zeros((len(texts), 0))
    with threadpool_limits(1):  # sums in a fixed order give fixed bytes
        found: NDArray[np.float64] = TruncatedSVD(num, random_state=SEED).fit_transform(weighted)
    return found


def coded(table: pl.DataFrame, name: str, columns: Columns) -> dict[str, NDArray[np.int64]]:  # noqa: ARG001 -- as every modality
    """What tells rows apart by one feature, as codes by name; missing is 0."""
    return {one.name: _codes(one) for one in described(table, name)}


def _codes(names: pl.Series) -> NDArray[np.int64]:
    known = sorted(set(names.unique()) - {MISSING})
    codes = {MISSING: 0} | {level: i for i, level in enumerate(known, 1)}
    return names.replace_strict(codes, return_dtype=pl.Int64).to_numpy()


def described(table: pl.DataFrame, name: str) -> list[pl.Series]:
    """What can be named of one column, as levels: of texts the quartiles of their words, and their
    scripts; of few values these."""
    values = table[name].cast(pl.String)
    if not is_prose(values) and values.n_unique() <= MANY_VALUES:
        return [values.fill_null(MISSING).alias(name)]
    found = {
        "num_words": ranges(lengths(values).cast(pl.Float64)),
        "script": each(values, script, pl.String()),
    }
    return [levels.fill_null(MISSING).alias(name) for name, levels in found.items()]


def levels(table: pl.DataFrame, name: str) -> pl.Series:
    """One column as the names of its levels: of texts their lengths."""
    return described(table, name)[0].alias(name)


def identical(table: pl.DataFrame, columns: Columns, without: tuple[str, ...]) -> NDArray[np.int64]:
    """The same code for rows whose texts have the same words; shape (rows,)."""
    if columns.text in without:
        return np.zeros(table.height, dtype=np.int64)
    words = keys(table, columns).to_series().fill_null("\0")
    return words.rank("dense").to_numpy().astype(np.int64)
