"""A search for parts of the rows in which something is more or less frequent than elsewhere.

Looks at every level of every column and at every conjunction of two or three levels that has
enough rows, from counts. Having looked at many is paid for: Holm over all slices that were tested.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audit.data_bias import newcombe, normal_quantile, widened
from pipeline.audit.stratified import mantel_haenszel, mantel_haenszel_p

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]
MAX_CROSSINGS = 20_000
"""So many sets of columns are crossed at most; with more columns, slices name fewer of them."""


@dataclass(frozen=True)
class Coded:
    """A column as codes of its levels: `codes` from 0, shape (rows,); `levels` names them."""

    name: str
    codes: Counts
    levels: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What is searched for: `flags` of rows, shape (rows,).

    With `strata` (codes from 0, shape (rows,)) a slice is compared with other rows of the same
    stratum only, such as those to which a model gives the same chance.
    """

    flags: Flags
    strata: Counts | None = None


@dataclass(frozen=True)
class Tested:
    """Slices that were tested, each array of shape (m,).

    `value` is the rate in the slice minus that of the rest; `error` its standard error where it is
    from strata, else nan.
    """

    slices: list[dict[str, str]]
    outcomes: list[str]
    sizes: Counts
    hits: Counts
    rest_sizes: Counts
    rest_hits: Counts
    value: Floats
    error: Floats
    p: Floats


def search(
    columns: Sequence[Coded],
    outcomes: Mapping[str, Outcome],
    *,
    depth: int,
    min_rows: int,
    confidence: float,
    max_shown: int,
    naming: Collection[str] = (),
) -> dict[str, Any]:
    """Slices whose rate of an outcome differs from that of all other rows, beyond chance.

    A conjunction counts as found only where it also differs from the rest of each of its own parts:
    else the part says it already. Its p-value is the largest of these tests (an intersection-union
    test: R. Berger, Technometrics 24 (1982) 295-300). Found is what Holm's procedure rejects at
    1 - `confidence` over all slices and outcomes (S. Holm, A simple sequentially rejective multiple
    test procedure, Scandinavian Journal of Statistics 6 (1979) 65-70): the probability that any
    found slice is chance is then at most 1 - `confidence`. Intervals are widened for the same
    number of slices (Bonferroni): Newcombe's, or Mantel and Haenszel's where there are strata.

    Args:
        columns: What slices are made of.
        outcomes: By name; all are searched together.
        depth: How many columns a slice may name, at most 3; fewer where MAX_CROSSINGS demands.
        min_rows: Smaller slices are not tested, nor such whose complement is smaller.
        max_shown: How many found slices to return of those above the rest, and of those below.
        naming: Only slices that name one of these columns are tested; none given means all.
    """
    while depth > 1 and sum(comb(len(columns), size) for size in range(depth + 1)) > MAX_CROSSINGS:
        depth -= 1
    kept = [_large_levels(column, min_rows) for column in columns]
    tested = _joined(
        [
            chunk
            for name, outcome in outcomes.items()
            for chunk in _tested(kept, name, outcome, depth, min_rows, set(naming))
        ]
    )
    adjusted = holm(tested.p)
    found = np.flatnonzero(adjusted <= 1 - confidence)
    return {
        "depth": depth,
        "min_rows": min_rows,
        "columns": [column.name for column in columns],
        "outcomes": list(outcomes),
        "num_tested": len(tested.p),
        "num_found": len(found),
        "found": _told(
            tested,
            adjusted,
            _shown(found, tested.value, max_shown),
            widened(confidence, len(tested.p)),
        ),
    }


def _large_levels(column: Coded, min_rows: int) -> Coded:
    """The column with its large levels alone; all others share one code behind them."""
    sizes = np.bincount(column.codes, minlength=len(column.levels))
    large = np.flatnonzero(sizes >= min_rows)
    new = np.full(len(sizes), len(large), dtype=np.int64)
    new[large] = np.arange(len(large))
    return Coded(column.name, new[column.codes], [column.levels[i] for i in large.tolist()])


def _tested(
    columns: Sequence[Coded],
    name: str,
    outcome: Outcome,
    depth: int,
    min_rows: int,
    naming: Collection[str],
) -> Iterator[Tested]:
    """The tests of one outcome, one set of columns after the other."""
    num_rows = len(outcome.flags)
    strata = np.zeros(num_rows, dtype=np.int64) if outcome.strata is None else outcome.strata
    flags = outcome.flags
    num_strata = int(strata.max(initial=0)) + 1
    all_sizes = np.bincount(strata, minlength=num_strata)
    all_hits = np.bincount(strata[flags], minlength=num_strata)
    tables: dict[tuple[int, ...], tuple[Counts, Counts]] = {(): (all_sizes, all_hits)}
    for chosen in (c for n in range(1, depth + 1) for c in combinations(range(len(columns)), n)):
        crossed = [columns[i] for i in chosen]
        wanted = not naming or any(column.name in naming for column in crossed)
        if not wanted and len(chosen) == depth:
            continue  # neither tested nor part of what is
        shape = (num_strata, *(len(column.levels) + 1 for column in crossed))
        index = np.ravel_multi_index([strata, *(column.codes for column in crossed)], shape)
        cells = int(np.prod(shape))
        sizes = np.bincount(index, minlength=cells).reshape(shape)
        hits = np.bincount(index[flags], minlength=cells).reshape(shape)
        if len(chosen) < depth:
            tables[chosen] = sizes, hits
        if not wanted:
            continue
        real = (slice(None), *(slice(0, len(column.levels)) for column in crossed))
        total = sizes[real].sum(axis=0)
        at = np.argwhere((total >= min_rows) & (num_rows - total >= min_rows))
        if len(at):
            where = (slice(None), *at.T)
            names = [
                {column.name: column.levels[k] for column, k in zip(crossed, cell, strict=True)}
                for cell in at.tolist()
            ]
            wholes = [
                _part(tables[chosen[:i] + chosen[i + 1 :]], np.delete(at, i, axis=1))
                for i in range(len(chosen))
                if len(chosen) > 1
            ]
            rest = (all_sizes[:, None], all_hits[:, None])
            yield _compared(name, names, sizes[where], hits[where], [rest, *wholes])


def _part(table: tuple[Counts, Counts], at: Counts) -> tuple[Counts, Counts]:
    """Sizes and hits of each conjunction without one of its columns, each of (strata, slices)."""
    where = (slice(None), *at.T)
    return table[0][where], table[1][where]


def _compared(
    name: str,
    slices: list[dict[str, str]],
    sizes: Counts,
    hits: Counts,
    wholes: list[tuple[Counts, Counts]],
) -> Tested:
    """Test slices against the remainder of each whole that they are part of, first of all rows.

    Args:
        sizes: Rows by stratum and slice, shape (strata, m); `hits` likewise.
        wholes: Sizes and hits of what the slices are part of, each of (strata, m or 1).
    """
    rest_sizes, rest_hits = wholes[0][0] - sizes, wholes[0][1] - hits
    if len(sizes) == 1:
        p = [two_sided_p(hits[0], sizes[0], whole[1][0], whole[0][0]) for whole in wholes]
        value = hits[0] / sizes[0] - rest_hits[0] / rest_sizes[0]
        error = np.full(len(slices), np.nan)
    else:
        p = [mantel_haenszel_p(hits, sizes, whole[1], whole[0]) for whole in wholes]
        value, error = mantel_haenszel(hits, sizes, rest_hits, rest_sizes)
    return Tested(
        slices,
        [name] * len(slices),
        sizes.sum(axis=0),
        hits.sum(axis=0),
        rest_sizes.sum(axis=0),
        rest_hits.sum(axis=0),
        value,
        error,
        np.max(p, axis=0),
    )


def _joined(chunks: list[Tested]) -> Tested:
    def together(field: str, kind: Any = float) -> Any:
        parts = [getattr(chunk, field) for chunk in chunks]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)

    return Tested(
        [one for chunk in chunks for one in chunk.slices],
        [one for chunk in chunks for one in chunk.outcomes],
        *(together(field, np.int64) for field in ("sizes", "hits", "rest_sizes", "rest_hits")),
        *(together(field) for field in ("value", "error", "p")),
    )


def _shown(found: Counts, differences: Floats, at_most: int) -> Counts:
    """The found slices with the largest differences on either side, from highest to lowest."""
    order = found[np.argsort(-differences[found], kind="stable")]
    above, below = order[differences[order] > 0], order[differences[order] <= 0]
    return np.concatenate([above[:at_most], below[max(len(below) - at_most, 0) :]])


def _told(tested: Tested, adjusted: Floats, order: Counts, level: float) -> list[dict[str, Any]]:
    """Found slices as the report has them. `rest` is the rate of all other rows, or of other rows
    of the same strata."""
    low, high = newcombe(
        tested.hits[order],
        tested.sizes[order],
        tested.rest_hits[order],
        tested.rest_sizes[order],
        level,
    )
    value, half = tested.value[order], normal_quantile(level) * tested.error[order]
    plain = np.isnan(half)
    low = np.where(plain, low, np.maximum(value - half, -1.0))
    high = np.where(plain, high, np.minimum(value + half, 1.0))
    rate = tested.hits[order] / tested.sizes[order]
    return [
        {
            "outcome": tested.outcomes[i],
            "slice": tested.slices[i],
            "num_rows": int(tested.sizes[i]),
            "rate": round(float(rate[place]), 6),
            "rest": round(float(rate[place] - value[place]), 6),
            "value": round(float(value[place]), 6),
            "low": round(float(low[place]), 6),
            "high": round(float(high[place]), 6),
            "p_adjusted": float(f"{adjusted[i]:.3g}"),
        }
        for place, i in enumerate(order.tolist())
    ]


def two_sided_p(hits: Counts, sizes: Counts, all_hits: Counts, all_sizes: Counts) -> Floats:
    """Whether a part of `sizes` rows has another rate than the rest of `all_sizes`; p by slice.

    Fisher's exact test, the smaller tail doubled. Where Pearson's chi-square gives more than 0.1,
    that is returned: no procedure would reject it, and the exact one costs time.
    """
    from scipy.stats import chi2, hypergeom

    hits, sizes, all_hits, all_sizes = np.broadcast_arrays(hits, sizes, all_hits, all_sizes)
    rest, share = all_sizes - sizes, all_hits / all_sizes
    spread = share * (1 - share) * sizes * (rest / all_sizes)
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
