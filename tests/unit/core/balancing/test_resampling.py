"""Which rows are repeated and which are left out, worked by hand."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.balancing.contingency import contingency
from pipeline.core.balancing.resampling import Sampling, at_least, drawn, sizes, topped_up
from pipeline.core.settings.columns import Columns

# F: 2 yes, 6 no; M: 3 yes, 1 no. Independent: F 5/12·8 = 3.33 yes, 4.67 no; M 1.67 yes, 2.33 no.
TABLE = pl.DataFrame(
    {"sex": ["F"] * 8 + ["M"] * 4, "label": ["yes"] * 2 + ["no"] * 6 + ["yes"] * 3 + ["no"]}
)
FOUND = contingency(TABLE, ("sex",), Columns(target="label", positive="yes", sensitive=("sex",)))


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        # columns: not yes, yes
        ("to_size", [[5, 3], [2, 2]]),
        ("over", [[8, 6], [4, 3]]),  # times 3 / 1.67 = 1.8
        ("under", [[2, 1], [1, 1]]),  # times 1 / 2.33 = 0.43
    ],
)
def test_sizes_by_hand(sampling: Sampling, wanted: list[list[int]]) -> None:
    assert FOUND.counts.tolist() == [[6, 2], [1, 3]]
    assert sizes(FOUND, sampling).tolist() == wanted


def chance(seed: int) -> Any:
    return np.random.default_rng(seed).random(12)


def test_rows_of_a_cell_are_drawn_equally_often_give_or_take_one() -> None:
    rows = drawn(FOUND, np.array([[3, 5], [4, 3]]), chance(0))
    times = np.bincount(rows, minlength=12)
    assert sorted(times[:2]) == [2, 3]  # F yes: 5 of 2 rows
    assert sorted(times[2:8]) == [0, 0, 0, 1, 1, 1]  # F no: 3 of 6 rows
    assert times[8:11].tolist() == [1, 1, 1]  # M yes: all
    assert times[11] == 4  # M no: one row, four times
    assert (np.diff(rows) >= 0).all()


def test_the_first_of_a_cell_are_repeated_first_and_left_out_first() -> None:
    score = np.array([0.9, 0.2, 0.1, 0.8, 0.7, 0.3, 0.9, 0.6, 0.5, 0.4, 0.6, 0.5])
    times = np.bincount(drawn(FOUND, np.array([[4, 3], [1, 5]]), score), minlength=12)
    assert times[:2].tolist() == [1, 2]  # F yes: the one of 0.2 again
    assert times[2:8].tolist() == [0, 1, 1, 0, 1, 1]  # F no: without those of 0.1 and 0.3
    assert times[8:11].tolist() == [2, 2, 1]  # M yes: those of 0.5 and 0.4 again


def test_chance_decides_alone() -> None:
    wanted = np.array([[3, 1], [1, 2]])
    first = drawn(FOUND, wanted, chance(1))
    np.testing.assert_array_equal(first, drawn(FOUND, wanted, chance(1)))
    others = [drawn(FOUND, wanted, chance(seed)).tolist() for seed in range(2, 6)]
    assert any(other != first.tolist() for other in others)


def test_rows_are_only_added_and_as_few_as_may_be() -> None:
    # With F's rates (6 no to 2 yes) M would need 8 more no; with M's (1 to 3) F 16 more yes.
    assert topped_up(FOUND).tolist() == [[6, 2], [9, 3]]
    assert at_least(FOUND, 3).tolist() == [[6, 3], [3, 3]]
