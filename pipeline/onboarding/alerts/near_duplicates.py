"""Columns that say the same: up to the names of values, or as a line or curve of each other."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.onboarding.columns.proposal import Finding, ProposedColumn
from pipeline.onboarding.columns.spellings import Reading

MAX_ROWS = 100_000
MIN_CORRELATION, MIN_RANK_CORRELATION = 0.999, 0.9999
MAX_CODES = 200
MISFIT = 0.01
"""Of two categories that nearly say the same, so many of the rows outside of the most frequent
value may not fit."""
MIN_VALUES = 10
"""A number needs more values than this to be compared by correlation."""


def near_duplicates(
    readings: Mapping[str, Reading], columns: list[ProposedColumn], seed: int
) -> list[Finding]:
    """The pairs of features, and of a feature and a sensitive column, that say the same."""
    used = [one for one in columns if one.role in ("numeric", "categorical", "date", "sensitive")]
    used = [one for one in used if not (one.role == "sensitive" and one.edges)]
    if len(used) < 2:
        return []
    rows = _sample(len(readings[used[0].name].values), seed)
    values = {one.name: readings[one.name].values.gather(rows) for one in used}
    codes = {name: _canonical(one) for name, one in values.items()}
    numbers = [one.name for one in used if _is_measured(readings[one.name], codes[one.name])]
    found: dict[tuple[str, str], str] = {}
    for pair, correlation in _correlated(values, numbers).items():
        found[pair] = f"correlate with {correlation:+.4f}"
    for one, other in combinations([column.name for column in used], 2):
        if (one, other) in found:
            continue
        if words := _same_codes(codes[one], codes[other]):
            found[one, other] = words
    order = [column.name for column in used]
    sensitive = {column.name for column in used if column.role == "sensitive"}
    pairs = sorted(found, key=lambda pair: (order.index(pair[0]), order.index(pair[1])))
    return [_finding(pair, found[pair], sensitive) for pair in pairs if not set(pair) <= sensitive]


def _sample(num_rows: int, seed: int) -> NDArray[np.int64]:
    if num_rows <= MAX_ROWS:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed).choice(num_rows, MAX_ROWS, replace=False))


def _canonical(values: pl.Series) -> NDArray[np.int64]:
    """Codes in the order in which values are first met, missing among them, shape (rows,)."""
    dense = values.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    _, first, inverse = np.unique(dense, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _is_measured(reading: Reading, code: NDArray[np.int64]) -> bool:
    return (reading.is_number or reading.is_date) and int(code.max()) > MIN_VALUES


def _correlated(values: Mapping[str, pl.Series], names: list[str]) -> dict[tuple[str, str], float]:
    """The pairs of numbers that correlate, by value or by rank, beyond the limits."""
    if len(names) < 2:
        return {}
    numbers = {name: values[name].to_physical().cast(pl.Float64) for name in names}
    ranks = [_standardized(one.rank("average")) for one in numbers.values()]
    plain = [_standardized(one) for one in numbers.values()]
    num = len(ranks[0])
    likely = [np.abs(np.stack(one) @ np.stack(one).T / num) for one in (plain, ranks)]
    found = {}
    for i, j in combinations(range(len(names)), 2):
        if max(likely[0][i, j], likely[1][i, j]) < 0.9:
            continue
        a, b = numbers[names[i]], numbers[names[j]]
        both = a.is_not_null() & b.is_not_null()
        a, b = a.filter(both), b.filter(both)
        if a.len() < 0.9 * num or a.n_unique() <= MIN_VALUES or b.n_unique() <= MIN_VALUES:
            continue
        line = float(_standardized(a) @ _standardized(b)) / a.len()
        curve = float(_standardized(a.rank()) @ _standardized(b.rank())) / a.len()
        if abs(line) > MIN_CORRELATION or abs(curve) > MIN_RANK_CORRELATION:
            found[names[i], names[j]] = line if abs(line) > MIN_CORRELATION else curve
    return found


def _standardized(values: pl.Series) -> NDArray[np.float64]:
    number = values.cast(pl.Float64).fill_null(strategy="mean").fill_null(0.0).to_numpy()
    spread = float(number.std())
    centred: NDArray[np.float64] = number - number.mean()
    return centred / spread if spread else centred


def _same_codes(one: NDArray[np.int64], other: NDArray[np.int64]) -> str | None:
    """Whether two columns are renamings of each other, or nearly so, in words."""
    num, num_other = int(one.max()) + 1, int(other.max()) + 1
    if min(num, num_other) < 2:
        return None
    if num == num_other and np.array_equal(one, other):
        return f"are the same but for the names of their {num} values"
    if max(num, num_other) > MAX_CODES:
        return None
    table = np.bincount(one * num_other + other, minlength=num * num_other)
    table = table.reshape(num, num_other)
    rows = int(table.sum())
    misfit = rows - min(int(table.max(axis=1).sum()), int(table.max(axis=0).sum()))
    rarer = rows - max(int(table.sum(axis=1).max()), int(table.sum(axis=0).max()))
    if misfit > MISFIT * rarer:
        return None
    return f"say the same in all but {misfit} of {rows} rows"


def _finding(pair: tuple[str, str], words: str, sensitive: set[str]) -> Finding:
    one, other = pair
    if held := set(pair) & sensitive:
        named = held.pop()
        feature = other if named == one else one
        return Finding(
            "looks_sensitive",
            (feature,),
            f"{feature} and the sensitive column {named} {words}: the model would know it by "
            f"{feature}",
            f"move {feature} to `columns.drop`, or say in the card why it stays",
        )
    return Finding(
        "near_duplicate",
        pair,
        f"{one} and {other} {words}",
        f"keep one: move {other} to `columns.drop` with the reason",
    )
