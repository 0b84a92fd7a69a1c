"""The model of words that the network has to beat."""

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pipeline.core.prediction import outcome
from pipeline.core.settings.columns import Columns
from pipeline.text.evaluation import baseline
from tests.unit.text.texts import COLUMNS, encoder_of, texts

TABLE = texts(200)
TRAIN, TEST = TABLE[:150], TABLE[150:]
ENCODER = encoder_of(TRAIN)


def test_it_is_scikit_learns_and_gives_the_same_numbers_again() -> None:
    first, fitted = baseline.logits(TRAIN, [TEST, TRAIN], COLUMNS, ENCODER, 0)
    assert (first.shape, fitted.shape) == ((50,), (150,))
    assert roc_auc_score(TEST["liked"] == "yes", first) > 0.9
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
    model = LogisticRegression(C=4.0).fit(words.fit_transform(TRAIN["words"]), TRAIN["liked"])
    np.testing.assert_allclose(
        first, model.decision_function(words.transform(TEST["words"])), atol=1e-3
    )
    (again,) = baseline.logits(TRAIN, [TEST], COLUMNS, ENCODER, 0)
    np.testing.assert_array_equal(first, again)


def test_weights_count_and_a_missing_text_is_an_empty_one() -> None:
    weighted = TRAIN.with_columns(
        _weight=pl.when(pl.col("liked") == "yes").then(9.0).otherwise(1.0)
    )
    none = TEST.head(1).with_columns(words=pl.lit(None, pl.String))
    (plain,), (heavy,) = (
        baseline.logits(rows, [none], COLUMNS, ENCODER, 0) for rows in (TRAIN, weighted)
    )
    assert heavy[0] > plain[0] + 1


def test_several_classes_and_numbers_have_their_outputs() -> None:
    table = TABLE.with_columns(size=pl.col("words").str.len_chars().cast(pl.Float64))
    classes = Columns(target="liked", task="multiclass", text="words")
    kinds = outcome.fit(table, classes)
    (found,) = baseline.logits(table, [table], classes, ENCODER, 0, kinds)
    assert found.shape == (200, 2)
    numbers = Columns(target="size", task="regression", text="words")
    (size,) = baseline.logits(table, [table], numbers, ENCODER, 0, outcome.fit(table, numbers))
    assert np.corrcoef(size, table["size"])[0, 1] > 0.8


def test_its_arithmetic_is_counted_at_the_most() -> None:
    """Three words are three words and two pairs: 5 weights, 4 operations each, 300 times."""
    table = pl.DataFrame({"words": ["good strong tea"] * 2, "liked": ["yes", "no"]})
    assert baseline.operations(table, ENCODER) == 2 * 5 * 4 * 300
