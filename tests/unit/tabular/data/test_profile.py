"""What a table holds, column by column."""

from datetime import date

import polars as pl
import pytest

from pipeline.tabular.data.profile import columns


def test_numbers() -> None:
    (found,) = columns(pl.DataFrame({"n": [3, 1, None, 3]}))
    assert found == {
        "name": "n",
        "dtype": "Int64",
        "num_missing": 1,
        "num_distinct": 2,
        "min": 1,
        "max": 3,
        "top": [{"value": 3, "count": 2}, {"value": 1, "count": 1}],
    }


def test_text_has_no_range_and_ties_are_in_order() -> None:
    (found,) = columns(pl.DataFrame({"t": ["b", "a", "ü", "d", "c", "f", "f"]}))
    assert (found["min"], found["max"]) == (None, None)
    assert [one["value"] for one in found["top"]] == ["f", "a", "b", "c", "d"]


def test_dates_become_text() -> None:
    (found,) = columns(pl.DataFrame({"d": [date(2024, 1, 2), None]}))
    assert (found["min"], found["top"][0]["value"]) == ("2024-01-02", "2024-01-02")


@pytest.mark.parametrize("name", ["count", "name", "top"])
def test_a_column_may_have_any_name(name: str) -> None:
    (found,) = columns(pl.DataFrame({name: ["a", "a"]}))
    assert found["top"] == [{"value": "a", "count": 2}]


@pytest.mark.parametrize("dtype", [pl.String, pl.Float64])
def test_an_all_missing_column(dtype: pl.DataType) -> None:
    (found,) = columns(pl.DataFrame({"x": pl.Series([None, None], dtype=dtype)}))
    assert (found["num_missing"], found["num_distinct"]) == (2, 0)
    assert (found["top"], found["min"]) == ([], None)


def test_numbers_that_json_cannot_hold_become_text() -> None:
    (found,) = columns(pl.DataFrame({"n": [float("nan"), float("inf"), 1.0]}))
    assert found["max"] == "inf"
    assert sorted(str(one["value"]) for one in found["top"]) == ["1.0", "inf", "nan"]
