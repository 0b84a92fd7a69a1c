"""Accuracy of parts of the rows, by hand."""

import polars as pl
import pytest
from scipy.stats import binomtest

from pipeline.core.metrics.slices import accuracy
from pipeline.core.settings.columns import Columns
from pipeline.tabular.evaluation.slices import slices_of

TABLE = pl.DataFrame(
    {"job": ["a", "a", "a", "b", "b", None], "age": [10, 20, 30, 40, None, 50], "const": [1] * 6}
)
HITS = pl.Series([True, False, True, True, True, False])


def found(role: str, name: str, min_rows: int = 1) -> dict[str, tuple[int, float]]:
    columns = Columns.model_validate({"target": "y", "positive": "1", role: [name]})
    slices = accuracy(slices_of(TABLE, columns), HITS, min_rows)
    return {one["slice"]: (one["num_rows"], one["accuracy"]) for one in slices}


def test_levels_worst_first_and_missing_is_a_level() -> None:
    slices = found("categorical", "job")
    assert slices == {"(missing)": (1, 0), "a": (3, 0.666667), "b": (2, 1)}
    assert list(slices) == ["(missing)", "a", "b"]


def test_small_slices_are_left_out() -> None:
    assert found("categorical", "job", 2) == {"a": (3, 0.666667), "b": (2, 1)}
    assert found("categorical", "job", 7) == {}


def test_numbers_fall_into_quarters() -> None:
    # Of 10 to 50 the nearest quartiles are 20, 30 and 40.
    assert found("numeric", "age") == {
        "(-∞, 20]": (2, 0.5),
        "(20, 30]": (1, 1),
        "(30, 40]": (1, 1),
        "(40, ∞]": (1, 0),
        "(missing)": (1, 1),
    }
    assert found("numeric", "const") == {"(-∞, 1]": (6, 0.666667)}


def test_an_all_missing_number_is_one_slice() -> None:
    table = pl.DataFrame({"n": pl.Series([None, None], dtype=pl.Float64)})
    columns = Columns(target="y", positive="1", numeric=("n",))
    slices = accuracy(slices_of(table, columns), pl.Series([True, False]), 1)
    assert [(one["slice"], one["num_rows"]) for one in slices] == [("(missing)", 2)]


def test_each_slice_has_its_wilson_interval() -> None:
    columns = Columns(target="y", positive="1", categorical=("job",))
    (one,) = accuracy(slices_of(TABLE, columns), HITS, 3)
    known = binomtest(2, 3).proportion_ci(0.95, method="wilson")
    assert (one["low"], one["high"]) == pytest.approx((known.low, known.high), abs=1e-6)
    assert one["column"] == "job"
