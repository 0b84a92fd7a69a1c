"""Relations between columns that hold in every row and would hardly do so by chance.

At most five of each of three kinds, each a warning, as nobody has said that it must hold: two
columns that are equal, a column that follows from another (`A` with at most 50 values decides `B`),
a number that is never above another.
"""

from collections.abc import Iterator
from itertools import combinations, islice
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.onboarding.contract.inferred_columns import MAX_LEVELS, NUMBERS, Role, entry

MOST = 5
LEAST_ROWS = 200
SAMPLE = 2000
LEAST_MINORITY = 20
"""So many rows must differ from the most frequent value of a column that follows from another."""
MOST_BY_CHANCE = 0.9
"""`A` at most `B` holds in at most this share of rows when `A` is shuffled."""


def relations(prepared: pl.DataFrame, roles: dict[str, Role]) -> list[dict[str, Any]]:
    """What holds between columns; `roles` by name, in the table's order."""
    if prepared.height < LEAST_ROWS:
        return []
    usable = [
        name
        for name, role in roles.items()
        if role not in ("target", "target_number", "identifier")
        and not prepared.schema[name].is_temporal()
        and prepared[name].null_count() < prepared.height
    ]
    equal = list(islice(_equal(prepared, usable), MOST))
    told = {frozenset((one["kwargs"]["column_A"], one["kwargs"]["column_B"])) for one in equal}
    functions = list(islice(_functions(prepared, usable, told), MOST))
    numbers = [
        name for name in usable if roles[name] in NUMBERS and prepared.schema[name].is_numeric()
    ]
    return [*equal, *functions, *islice(_ordered(prepared, numbers, told), MOST)]


def _equal(table: pl.DataFrame, names: list[str]) -> Iterator[dict[str, Any]]:
    head = table.head(SAMPLE)
    for first, second in combinations(names, 2):
        if table.schema[first] != table.schema[second] or not _same(head, first, second):
            continue
        if table[first].n_unique() > 1 and _same(table, first, second):
            yield entry(
                "expect_column_pair_values_to_be_equal",
                {"column_A": first, "column_B": second, "ignore_row_if": "either_value_is_missing"},
                "warning",
                f"{first} and {second} said the same in every row; where they differ, one of them "
                "changed its meaning.",
                {"rows": table.height},
            )


def _same(table: pl.DataFrame, first: str, second: str) -> bool:
    return bool(table[first].eq_missing(table[second]).all())


def _functions(
    table: pl.DataFrame, names: list[str], told: set[frozenset[str]]
) -> Iterator[dict[str, Any]]:
    coded = {name: codes for name in names if (codes := _codes(table[name])) is not None}
    for first, second in combinations(coded, 2):
        if frozenset((first, second)) in told:
            continue
        for source, target in ((first, second), (second, first)):
            if _decides(coded[source], coded[target]):
                told.add(frozenset((first, second)))
                yield _function(table, source, target)
                break


def _codes(values: pl.Series) -> NDArray[np.int64] | None:
    """The values numbered from 0; None when they are too many, or too few to say anything."""
    if values.dtype.is_float() or not 2 <= values.n_unique() <= MAX_LEVELS:
        return None
    return values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def _decides(source: NDArray[np.int64], target: NDArray[np.int64]) -> bool:
    """Whether each value of `source` goes with one of `target`, and not by chance."""
    for rows in (slice(SAMPLE), slice(None)):
        pairs = np.unique(source[rows] * (MAX_LEVELS + 2) + target[rows])
        if pairs.size != np.unique(source[rows]).size:
            return False
    sizes = np.bincount(source)
    frequent = np.bincount(target).max()
    return bool(
        sizes[sizes > 0].min() >= 2
        and pairs.size * 5 <= source.size
        and target.size - frequent >= LEAST_MINORITY
    )


def _function(table: pl.DataFrame, source: str, target: str) -> dict[str, Any]:
    pairs = table.select(source, target).unique().sort(source, target)
    return entry(
        "expect_column_pair_values_to_be_in_set",
        {
            "column_A": source,
            "column_B": target,
            "value_pairs_set": [list(pair) for pair in pairs.rows()],
        },
        "warning",
        f"{target} followed from {source} in every row; another pair is a new coding or an error.",
        {"num_pairs": pairs.height, "rows": table.height},
    )


def _ordered(
    table: pl.DataFrame, names: list[str], told: set[frozenset[str]]
) -> Iterator[dict[str, Any]]:
    numbers = {name: table[name].cast(pl.Float64).to_numpy() for name in names}
    for first, second in combinations(names, 2):
        if frozenset((first, second)) in told:
            continue
        for low, high in ((first, second), (second, first)):
            if num_rows := _never_above(numbers[low], numbers[high]):
                yield entry(
                    "expect_column_pair_values_a_to_be_greater_than_b",
                    {
                        "column_A": high,
                        "column_B": low,
                        "or_equal": True,
                        "ignore_row_if": "either_value_is_missing",
                    },
                    "warning",
                    f"{low} was never above {high}; where it is, one of them is wrong.",
                    {"rows": num_rows},
                )


def _never_above(low: NDArray[np.float64], high: NDArray[np.float64]) -> int:
    """In how many rows both are known, when one is never above the other; else 0.

    Not where the ranges alone say so, or a shuffle of the rows would mostly.
    """
    if np.any(low[:SAMPLE] > high[:SAMPLE]):
        return 0
    known = ~(np.isnan(low) | np.isnan(high))
    one, other = low[known], high[known]
    if one.size < LEAST_ROWS or np.any(one > other):
        return 0
    shuffled = np.random.default_rng(0).permutation(one)
    return one.size if np.mean(shuffled <= other) <= MOST_BY_CHANCE else 0
