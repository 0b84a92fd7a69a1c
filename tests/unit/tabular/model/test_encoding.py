"""Positions and levels worked out by hand; what was fitted survives its file."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.settings.columns import Columns
from pipeline.tabular.model.encoding import Encoder, fit
from pipeline.tabular.settings import EncoderSettings
from tests.people import columns_of, people

SETTINGS = EncoderSettings(num_bins=4, min_level_count=2)


def numbers(train: Any, num_bins: int = 4) -> Encoder:
    columns = Columns(target="y", positive="1", numeric=("n",))
    return fit(pl.DataFrame({"n": train}), columns, EncoderSettings(num_bins=num_bins))


def levels(train: Any, min_count: int = 2) -> Encoder:
    columns = Columns(target="y", positive="1", categorical=("c",))
    table = pl.DataFrame({"c": train})
    return fit(table, columns, EncoderSettings(min_level_count=min_count))


def encoded(encoder: Encoder, values: Any) -> list[float]:
    name = encoder.columns[0]
    positions, indices = encoder.encode(pl.DataFrame({name: values}))
    return [*positions.flatten().tolist(), *indices.flatten().tolist()]


def test_a_number_becomes_its_place_among_the_quantiles() -> None:
    # 0, 10, 20, 30 and 100 are the quartiles of themselves; 65 is halfway through the last bin.
    encoder = numbers([100.0, 0, 10, 20, 30])
    assert encoder.edges == {"n": [0, 10, 20, 30, 100]}
    assert encoded(encoder, [0.0, 5, 20, 65, 100]) == [0, 0.5, 2, 3.5, 4]


def test_numbers_out_of_range_are_held_at_the_edges() -> None:
    encoder = numbers([0.0, 10, 20, 30, 100])
    assert encoded(encoder, [-1e9, 1e9, float("inf"), float("-inf")]) == [0, 4, 4, 0]


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_missing_number_is_what_stands_for_the_median(nothing: float | None) -> None:
    # The median is 20, at position 2: -1 - 2.
    encoder = numbers([0.0, 10, nothing, 20, 30, 100])
    assert encoder.edges["n"] == [0, 10, 20, 30, 100]
    assert encoder.medians["n"] == [20]
    assert encoded(encoder, pl.Series([nothing, 10], dtype=pl.Float64)) == [-3, 1]


def test_where_no_training_row_lacks_a_number_a_missing_one_is_the_median_alone() -> None:
    encoder = numbers([0.0, 10, 20, 30, 100])
    assert encoder.complete == ["n"]
    assert encoded(encoder, pl.Series([None, 10], dtype=pl.Float64)) == [2, 1]


def test_infinite_training_numbers_do_not_spoil_the_edges() -> None:
    assert numbers([0.0, 10, 20, float("inf"), 30, 100]).edges["n"] == [0, 10, 20, 30, 100]


def test_equal_quantiles_are_one_edge() -> None:
    encoder = numbers([0, 0, 0, 0, 0, 0, 8])
    assert encoder.edges["n"] == [0, 8]
    assert encoder.architecture()["num_bins"] == [1]
    assert encoded(encoder, [2]) == [0.25]


@pytest.mark.parametrize("train", [[5, 5, 5], [None, None]], ids=["one value", "all missing"])
def test_a_column_that_says_nothing_is_encoded(train: Any) -> None:
    encoder = numbers(pl.Series(train, dtype=pl.Int64))
    assert encoder.architecture() == {"num_bins": [1], "num_levels": []}
    missing = -1 if train[0] is None else 0
    assert encoded(encoder, pl.Series([5, None, 7], dtype=pl.Int64)) == [0, missing, 0]


def test_levels_are_numbered_in_order_from_two() -> None:
    encoder = levels(["b", "a", "b", "a", "rare", None, None])
    assert encoder.levels == {"c": ["a", "b"]}
    assert encoder.architecture()["num_levels"] == [4]
    assert encoded(encoder, ["a", "b", "rare", "never seen", None]) == [2, 3, 0, 0, 1]


@pytest.mark.parametrize("train", [[None, None], ["x", "y"]], ids=["all missing", "all rare"])
def test_a_category_without_levels_is_encoded(train: Any) -> None:
    encoder = levels(pl.Series(train, dtype=pl.String))
    assert encoder.levels == {"c": []}
    assert encoded(encoder, ["x", None]) == [0, 1]


@pytest.mark.parametrize(
    ("train", "known"),
    [
        (["Zürich", "Zürich", "東京", "東京", "", ""], ["", "Zürich", "東京"]),
        ([10, 9, 10, 9], ["10", "9"]),
        ([True, True, False, False], ["false", "true"]),
    ],
)
def test_levels_of_any_type_are_text(train: Any, known: list[str]) -> None:
    encoder = levels(train)
    assert encoder.levels["c"] == known
    assert encoded(encoder, train) == [
        known.index(str(pl.Series([v]).cast(pl.String)[0])) + 2 for v in train
    ]


@pytest.mark.parametrize("role", ["numeric", "categorical"])
def test_a_column_may_have_any_name(role: str) -> None:
    columns = Columns.model_validate({"target": "y", "positive": "1", role: ["count"]})
    encoder = fit(pl.DataFrame({"count": [1, 1, 2, 2]}), columns, SETTINGS)
    assert encoder.columns == ["count"]


def test_only_what_is_handed_to_fit_is_fitted_and_only_features() -> None:
    table, columns = people(), columns_of()
    train = table.head(300)
    assert fit(train, columns, SETTINGS) == fit(train.reverse(), columns, SETTINGS)
    changed = train.with_columns(income=pl.lit("low"), sex=pl.lit("x"), note=pl.lit("y"))
    assert fit(train, columns, SETTINGS) == fit(changed, columns, SETTINGS)
    assert fit(train, columns, SETTINGS).columns == ["age", "hours", "job"]


def test_rows_are_encoded_one_by_one() -> None:
    table = people()
    encoder = fit(table, columns_of(), SETTINGS)
    whole, one = encoder.encode(table), encoder.encode(table[7:8])
    for values, alone in zip(whole, one, strict=True):
        np.testing.assert_array_equal(values[7:8], alone)
    assert [values.dtype for values in whole] == [np.float32, np.int64]


def test_the_state_survives_json_to_the_bit() -> None:
    table = people()
    encoder = fit(table, columns_of(), EncoderSettings(num_bins=48))
    again = Encoder.from_dict(json.loads(json.dumps(encoder.as_dict())))
    for before, after in zip(encoder.encode(table), again.encode(table), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("role", ["numeric", "categorical"])
def test_a_table_of_one_kind_of_column_is_encoded(role: str) -> None:
    columns = Columns.model_validate({"target": "y", "positive": "1", role: ["a"]})
    table = pl.DataFrame({"a": [1, 2, 1, 2]})
    positions, indices = fit(table, columns, SETTINGS).encode(table)
    assert positions.shape == (4, 1 if role == "numeric" else 0)
    assert indices.shape == (4, 0 if role == "numeric" else 1)
