"""Codes of tables and back: common values come back, rare ones never do."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.tabular.balancing.discretization import MISSING, RARE, fit

TABLE = pl.DataFrame(
    {
        "hours": [40] * 30 + [20] * 10 + [*range(41, 61)] + [None] * 5,
        "town": ["a"] * 40 + ["b"] * 20 + ["hermitage"] + [None] * 4,
    }
)
FITTED = fit(TABLE, ["hours"], ["town"])


def drawn(codes: list[list[int]], table: pl.DataFrame = TABLE, seed: int = 0) -> pl.DataFrame:
    return FITTED.table(np.array(codes), table.schema, seed)


def test_what_many_rows_share_comes_back_as_it_was() -> None:
    codes = FITTED.codes(TABLE)
    back = FITTED.table(codes, TABLE.schema, seed=0)
    assert back.schema == TABLE.schema
    common = TABLE["hours"].is_in([40, 20])
    assert back["hours"].filter(common).equals(TABLE["hours"].filter(common))
    known = TABLE["town"].is_in(["a", "b"])
    assert back["town"].filter(known).equals(TABLE["town"].filter(known))
    assert back["hours"].is_null().equals(TABLE["hours"].is_null())


def test_a_rare_number_becomes_a_bin_and_a_rare_level_nobody() -> None:
    # 41 to 60 are held by one row each: four bins of five.
    codes = FITTED.codes(TABLE)
    assert FITTED.num_codes == [2 + 2 + 4, 2 + 2]
    bins, sizes = np.unique(codes[40:60, 0], return_counts=True)
    assert sizes.tolist() == [5, 5, 5, 5]
    back = drawn([[bins[0], 2]] * 200)["hours"]
    assert (back.min(), back.max()) == (41, 45)
    assert back.n_unique() == 5
    assert codes[60, 1] == RARE
    assert drawn([[2, RARE], [MISSING, MISSING]]).rows() == [(20, None), (None, None)]


def test_numbers_that_are_not_whole_are_drawn_from_anywhere_in_their_bin() -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"x": rng.normal(size=1000)})
    fitted = fit(table, ["x"], [])
    back = fitted.table(fitted.codes(table), table.schema, seed=1)["x"]
    assert table["x"].min() <= back.min() < back.max() <= table["x"].max()
    assert not back.is_in(table["x"].implode()).any()
    assert np.abs(np.sort(back) - np.sort(table["x"])).mean() < 0.05


def test_the_seed_decides_what_is_drawn_from_a_bin() -> None:
    codes = [[5, 2]] * 50
    assert drawn(codes, seed=1).equals(drawn(codes, seed=1))
    assert not drawn(codes, seed=1).equals(drawn(codes, seed=2))


@pytest.mark.parametrize("values", [[None, None], [7.0, 7.0], [float("nan"), 1.0]])
def test_columns_with_next_to_nothing_in_them_have_codes(values: list[float | None]) -> None:
    table = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    fitted = fit(table, ["x"], [])
    back = fitted.table(fitted.codes(table), table.schema, seed=0)
    assert back["x"].null_count() == sum(value is None or value != value for value in values)


@pytest.mark.parametrize("values", [[True, False, None], [1, 2, None], [0.5, 1.0, None]])
def test_levels_keep_their_type(values: list[Any]) -> None:
    table = pl.DataFrame({"x": values * 10})
    fitted = fit(table, [], ["x"])
    assert fitted.table(fitted.codes(table), table.schema, seed=0).equals(table)
