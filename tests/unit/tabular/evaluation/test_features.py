"""Features as arrays: codes, bins and levels, with nothing of a label in them."""

import numpy as np
import polars as pl

from pipeline.core.settings.columns import Columns
from pipeline.tabular.evaluation.features import MAX_CATEGORIES, binned, identical, levels, matrix

COLUMNS = Columns(target="y", positive="1", numeric=("age",), categorical=("job", "sex"))
TABLE = pl.DataFrame(
    {"age": [1, None, 3], "job": ["b", "a", "b"], "sex": ["f", "m", None], "y": ["0", "1", "1"]}
)


def test_numbers_stay_and_levels_are_counted_from_the_most_frequent() -> None:
    rows, categorical = matrix(TABLE, COLUMNS)
    assert categorical.tolist() == [False, True, True]
    np.testing.assert_array_equal(rows, [[1, 0, 0], [np.nan, 1, 1], [3, 0, np.nan]])
    assert matrix(TABLE, COLUMNS, ("job", "age"))[0].shape == (3, 1)
    assert matrix(TABLE, COLUMNS, ("job", "age", "sex"))[0].shape == (3, 0)


def test_too_many_levels_share_the_last_code() -> None:
    table = pl.DataFrame({"job": [f"{i:04d}" for i in range(400)]})
    columns = Columns(target="y", positive="1", categorical=("job",))
    assert matrix(table, columns)[0].max() == MAX_CATEGORIES


def test_bins_keep_missing_apart() -> None:
    assert binned(TABLE, "sex", COLUMNS).tolist() == [1, 2, 0]
    found = binned(TABLE, "age", COLUMNS)
    assert found[1] == 0
    assert 0 < found[0] < found[2]
    assert len(np.unique(binned(pl.DataFrame({"age": range(1000)}), "age", COLUMNS))) == 32


def test_levels_are_texts_and_many_numbers_their_quartiles() -> None:
    assert levels(TABLE, "sex").to_list() == ["f", "m", "(missing)"]
    assert levels(TABLE, "age").to_list() == ["1", "(missing)", "3"]
    many = levels(pl.DataFrame({"age": range(100)}), "age")
    assert many.n_unique() == 4


def test_alike_rows_share_a_code_also_where_values_are_missing() -> None:
    table = pl.DataFrame(
        {"age": [1, 1, None, None], "job": ["a", "a", "b", "b"], "sex": ["f", "m", "f", "f"]}
    )
    found = identical(table, COLUMNS, ("sex",))
    assert found[0] == found[1] != found[2] == found[3]
    assert len(np.unique(identical(table, COLUMNS, ()))) == 3
