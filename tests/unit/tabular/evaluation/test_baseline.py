"""The model that the network has to beat."""

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from pipeline.tabular.evaluation import baseline
from pipeline.tabular.model.encoding import fit
from pipeline.tabular.settings import EncoderSettings
from tests.people import columns_of, people

TABLE, COLUMNS = people(800), columns_of()
TRAIN, TEST = TABLE[:600], TABLE[600:]
ENCODER = fit(TRAIN, COLUMNS, EncoderSettings(min_level_count=5))


def test_it_learns_and_gives_the_same_numbers_again() -> None:
    first, fitted = baseline.logits(TRAIN, [TEST, TRAIN], COLUMNS, ENCODER, 0)
    assert (first.shape, fitted.shape) == ((200,), (600,))
    assert roc_auc_score(TEST["income"] == "high", first) > 0.75
    (again,) = baseline.logits(TRAIN, [TEST], COLUMNS, ENCODER, 0)
    np.testing.assert_array_equal(first, again)


def test_numbers_and_missing_values_reach_it_as_they_are() -> None:
    columns = columns_of(categorical=[])
    encoder = fit(TRAIN, columns, EncoderSettings())
    (found,) = baseline.logits(TRAIN, [TEST], columns, encoder, 0)
    model = HistGradientBoostingClassifier(random_state=0)
    model.fit(TRAIN.select("age", "hours").to_numpy(), TRAIN["income"] == "high")
    known = model.decision_function(TEST.select("age", "hours").to_numpy())
    np.testing.assert_allclose(found, known)


def test_weights_count() -> None:
    doubled = pl.concat([TRAIN, TRAIN.filter(pl.col("income") == "high")])
    weighted = TRAIN.with_columns(
        _weight=pl.when(pl.col("income") == "high").then(9.0).otherwise(1.0)
    )
    (plain,) = baseline.logits(TRAIN, [TEST], COLUMNS, ENCODER, 0)
    (heavy,) = baseline.logits(weighted, [TEST], COLUMNS, ENCODER, 0)
    assert heavy.mean() > plain.mean() + 0.5
    assert doubled.height > TRAIN.height


def test_a_repeated_row_counts_as_one_of_double_weight() -> None:
    weighed = TRAIN.with_columns(_weight=pl.lit(1.0, pl.Float32))
    repeated = pl.concat([weighed, weighed[:200]]).sort("_row")
    heavy = weighed.with_columns(_weight=pl.when(pl.col("_row") < 200).then(2.0).otherwise(1.0))
    (found,) = baseline.logits(repeated, [TEST], COLUMNS, ENCODER, 0)
    (known,) = baseline.logits(heavy, [TEST], COLUMNS, ENCODER, 0)
    np.testing.assert_allclose(found, known)


def test_made_rows_are_not_taken_for_repeats_of_each_other() -> None:
    weighed = TRAIN.with_columns(_weight=pl.lit(1.0, pl.Float32))
    made = weighed[:100].with_columns(_row=pl.lit(None, pl.UInt32))
    assert baseline.once(pl.concat([weighed, made])).height == 700
    assert baseline.once(pl.concat([weighed, weighed[:50], made])).height == 700


@pytest.mark.parametrize("num_levels", [253, 400])
def test_a_category_of_very_many_levels_is_taken_as_a_number(num_levels: int) -> None:
    rng = np.random.default_rng(0)
    table = TRAIN.with_columns(job=pl.Series(rng.integers(0, num_levels, 600)).cast(pl.String))
    encoder = fit(table, COLUMNS, EncoderSettings(min_level_count=1))
    (found,) = baseline.logits(table, [table], COLUMNS, encoder, 0)
    assert np.isfinite(found).all()
