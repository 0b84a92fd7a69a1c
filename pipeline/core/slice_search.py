"""A search for parts of the rows in which something is more or less frequent than elsewhere.

Looks at every level of every column and at every conjunction of two or three levels that has
enough rows, from counts. Having looked at many is paid for: Holm over all slices that were tested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.data_bias import newcombe, widened

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Coded:
    """A column as codes of its levels: `codes` from 0, shape (rows,); `levels` names them."""

    name: str
    codes: Counts
    levels: Sequence[str]


def search(
    columns: Sequence[Coded],
    outcomes: Mapping[str, Flags],
    *,
    depth: int,
    min_rows: int,
    confidence: float,
    max_shown: int,
) -> dict[str, Any]:
    """Slices whose rate of an outcome differs from that of all other rows, beyond chance.

    A conjunction counts as found only where it also differs from the rest of each of its own parts:
    else the part says it already. Its p-value is the largest of these tests (an intersection-union
    test: R. Berger, Technometrics 24 (1982) 295-300). Found is what Holm's procedure rejects at
    1 - `confidence` over all slices and outcomes (S. Holm, A simple sequentially rejective multiple
    test procedure, Scandinavian Journal of Statistics 6 (1979) 65-70): the probability that any
    found slice is chance is then at most 1 - `confidence`. Intervals of the differences are
    Newcombe's, widened for the same number of slices (Bonferroni).

    Args:
        columns: What slices are made of.
        outcomes: Flags of rows by name, each of shape (rows,); all are searched together.
        depth: How many columns a slice may name, at most 3.
        min_rows: Smaller slices are not tested, nor such whose complement is smaller.
        max_shown: How many found slices to return of those above the rest, and of those below.
    """
    tested = _tested(columns, outcomes, depth, min_rows)
    p = _p_values(tested)
    adjusted = holm(p)
    found = np.flatnonzero(adjusted <= 1 - confidence)
    rate, rest = _rates(tested)
    order = _shown(found, rate - rest, max_shown)
    low, high = newcombe(
        tested.hits[order],
        tested.sizes[order],
        tested.all_hits[order] - tested.hits[order],
        tested.num_rows - tested.sizes[order],
        widened(confidence, len(p)),
    )
    return {
        "depth": depth,
        "min_rows": min_rows,
        "columns": [column.name for column in columns],
        "outcomes": list(outcomes),
        "num_tested": len(p),
        "num_found": len(found),
        "found": [
            {
                "outcome": tested.outcomes[i],
                "slice": tested.slices[i],
                "num_rows": int(tested.sizes[i]),
                "rate": round(float(rate[i]), 6),
                "rest": round(float(rest[i]), 6),
                "value": round(float(rate[i] - rest[i]), 6),
                "low": round(float(low[place]), 6),
                "high": round(float(high[place]), 6),
                "p_adjusted": float(f"{adjusted[i]:.3g}"),
            }
            for place, i in enumerate(order)
        ],
    }


def _shown(found: Counts, differences: Floats, at_most: int) -> Counts:
    """The found slices with the largest differences on either side, from highest to lowest."""
    order = found[np.argsort(-differences[found], kind="stable")]
    above, below = order[differences[order] > 0], order[differences[order] <= 0]
    return np.concatenate([above[:at_most], below[max(len(below) - at_most, 0) :]])


@dataclass
class Tested:
    """The slices large enough to test: one entry per slice and outcome, all of shape (m,).

    `parents` holds each slice's parts, as pairs of hits and sizes, shape (m, 3, 2); absent is 0.
    """

    num_rows: int
    slices: list[dict[str, str]]
    outcomes: list[str]
    sizes: Counts
    hits: Counts
    all_hits: Counts
    parents: Counts


def _tested(
    columns: Sequence[Coded], outcomes: Mapping[str, Flags], depth: int, min_rows: int
) -> Tested:
    num_rows = len(columns[0].codes) if columns else 0
    kept = [_large_levels(column, min_rows) for column in columns]
    tables: dict[tuple[int, ...], tuple[Counts, dict[str, Counts]]] = {}
    none = np.zeros(0, dtype=np.int64)
    found = Tested(num_rows, [], [], none, none, none, np.zeros((0, 3, 2), dtype=np.int64))
    chunks: list[tuple[Counts, Counts, Counts, Counts]] = []
    for size in range(1, depth + 1):
        for chosen in combinations(range(len(kept)), size):
            tables[chosen] = _counted([kept[i] for i in chosen], outcomes)
            sizes, hits = tables[chosen]
            real = tuple(slice(0, len(kept[i].levels)) for i in chosen)  # without the rare levels
            large = (sizes[real] >= min_rows) & (num_rows - sizes[real] >= min_rows)
            cells = np.argwhere(large)
            names = [
                {kept[i].name: kept[i].levels[code] for i, code in zip(chosen, cell, strict=True)}
                for cell in cells.tolist()
            ]
            for outcome in outcomes:
                at = tuple(cells.T)
                parts = _parents(tables, chosen, cells, outcome)
                found.slices += names
                found.outcomes += [outcome] * len(names)
                total = np.full(len(cells), int(outcomes[outcome].sum()))
                chunks.append((sizes[at], hits[outcome][at], total, parts))
    if chunks:
        found.sizes, found.hits, found.all_hits, found.parents = (
            np.concatenate(part) for part in zip(*chunks, strict=True)
        )
    return found


def _large_levels(column: Coded, min_rows: int) -> Coded:
    """The column with its large levels alone; all others share one code behind them."""
    sizes = np.bincount(column.codes, minlength=len(column.levels))
    large = np.flatnonzero(sizes >= min_rows)
    new = np.full(len(sizes), len(large), dtype=np.int64)
    new[large] = np.arange(len(large))
    return Coded(column.name, new[column.codes], [column.levels[i] for i in large.tolist()])


def _counted(
    columns: Sequence[Coded], outcomes: Mapping[str, Flags]
) -> tuple[Counts, dict[str, Counts]]:
    """Rows of each crossing of levels, and those with each outcome; one axis per column."""
    shape = tuple(len(column.levels) + 1 for column in columns)
    index = np.ravel_multi_index([column.codes for column in columns], shape)
    cells = int(np.prod(shape))
    return (
        np.bincount(index, minlength=cells).reshape(shape),
        {
            name: np.bincount(index[flags], minlength=cells).reshape(shape)
            for name, flags in outcomes.items()
        },
    )


def _parents(
    tables: Mapping[tuple[int, ...], tuple[Counts, dict[str, Counts]]],
    chosen: tuple[int, ...],
    cells: Counts,
    outcome: str,
) -> Counts:
    """Hits and sizes of each conjunction without one of its columns, shape (slices, 3, 2)."""
    found = np.zeros((len(cells), 3, 2), dtype=np.int64)
    for place in range(len(chosen)) if len(chosen) > 1 else ():
        sizes, hits = tables[chosen[:place] + chosen[place + 1 :]]
        at = tuple(np.delete(cells, place, axis=1).T)
        found[:, place, 0], found[:, place, 1] = hits[outcome][at], sizes[at]
    return found


def _rates(tested: Tested) -> tuple[Floats, Floats]:
    """The rate in each slice, and among all other rows."""
    others = tested.num_rows - tested.sizes
    return tested.hits / tested.sizes, (tested.all_hits - tested.hits) / others


def _p_values(tested: Tested) -> Floats:
    """The largest p-value of each slice's tests: against the rest, and within each part."""
    p = two_sided_p(tested.hits, tested.sizes, tested.all_hits, np.array(tested.num_rows))
    for place in range(3):
        hits, sizes = tested.parents[:, place, 0], tested.parents[:, place, 1]
        there = sizes > 0
        p[there] = np.maximum(
            p[there],
            two_sided_p(tested.hits[there], tested.sizes[there], hits[there], sizes[there]),
        )
    return p


def two_sided_p(hits: Counts, sizes: Counts, all_hits: Counts, all_sizes: Counts) -> Floats:
    """Whether a part of `sizes` rows has another rate than the rest of `all_sizes`; p by slice.

    Fisher's exact test, the smaller tail doubled. Where Pearson's chi-square is above 0.1, that
    p-value is returned: no procedure would reject it, and the exact one costs time.
    """
    from scipy.stats import chi2, hypergeom

    sizes, all_hits, all_sizes = np.broadcast_arrays(sizes, all_hits, all_sizes)[:3]
    hits = np.asarray(hits)
    rest, total = all_sizes - sizes, all_sizes.astype(float)
    share = all_hits / total
    spread = share * (1 - share) * sizes * (rest / total)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(spread > 0, (hits - sizes * share) ** 2 / spread, 0.0)
    p = chi2.sf(statistic, 1)
    exact = np.flatnonzero((p <= 0.1) & (rest > 0))
    if len(exact):
        k, n, drawn, of = hits[exact], all_hits[exact], sizes[exact], all_sizes[exact]
        upper = k > drawn * share[exact]
        tail = np.where(upper, hypergeom.sf(k - 1, of, n, drawn), hypergeom.cdf(k, of, n, drawn))
        p[exact] = np.minimum(2 * tail, 1.0)
    return np.asarray(p, dtype=np.float64)


def holm(p: Floats) -> Floats:
    """P-values adjusted for all of them, step-down; Holm 1979. Shape (m,)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    found = np.empty(len(p))
    found[order] = np.minimum(stepped, 1.0)
    return found
