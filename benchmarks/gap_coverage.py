"""How often the bounds of a largest gap err, and what they can show: ours and others, simulated.

    OMP_NUM_THREADS=1 python benchmarks/gap_coverage.py

Draws test sets whose true gap equals a limit, over a grid of group sizes, numbers of groups, base
rates and measures, and counts how often a bound would let such a model pass (allowed: 5 %), and
how often the other bound would say that the limit is broken. Beside it the power: how often a model
with half of the gap, or with none, passes. The table in docs/decisions/0003 is this command's;
`tests/unit/core/statistics/test_gap_coverage.py` holds the line "exact, of pairs". Some minutes on
one core.

    python benchmarks/gap_coverage.py --enumerate

adds up, without chance, how often the bounds of one pair err, also for thinner groups and rarer
outcomes than the grid has, and prints the worst.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import binom

from pipeline.core.statistics.intervals import Floats, wilson
from pipeline.core.statistics.largest_gap import Rates, gap_bounds, largest, pairs_lower

CONFIDENCE = 0.95
NUM_REPETITIONS = 2000
NUM_RESAMPLES = 200
LIMITS = {"difference": 0.1, "odds": 0.1, "ratio": 0.8}
"""Of one rate, of the larger of two rates' differences, and of one rate's ratio."""
SIZES = {
    "50": (50,),
    "200": (200,),
    "1000": (1000,),
    "50 highest, 1000": (50, 1000),
    "50 lowest, 1000": (1000, 50),
}
"""Rows by group: the first has the highest rate, the last the lowest."""
BASES = (0.02, 0.1, 0.3, 0.5)
NUM_GROUPS = (2, 5)


@dataclass(frozen=True)
class Cell:
    """One point of the grid."""

    kind: str
    num_groups: int
    sizes: str
    base: float

    @property
    def ratio(self) -> bool:
        return self.kind == "ratio"

    def totals(self) -> Floats:
        """Rows that each rate is taken of, shape (rates, groups); two rates share the rows."""
        ends = SIZES[self.sizes]
        middle = [200 if len(ends) == 2 else ends[0]] * (self.num_groups - 2)
        rows = np.array([ends[0], *middle, ends[-1]], dtype=float)
        return np.stack([rows // 2, rows // 2]) if self.kind == "odds" else rows[None]

    def shares(self, part: float) -> Floats:
        """True rates whose largest gap is `part` of the limit, shape (rates, groups).

        The lowest is the base rate; groups between the two ends lie midway, where they disturb
        least; the second of two rates is the same in all groups.
        """
        limit = 1 - part * (1 - LIMITS[self.kind]) if self.ratio else part * LIMITS[self.kind]
        high = self.base / limit if self.ratio else self.base + limit
        rates = np.full((2 if self.kind == "odds" else 1, self.num_groups), self.base)
        rates[0] = (high + self.base) / 2
        rates[0, 0], rates[0, -1] = high, self.base
        return rates

    def drawn(self, part: float, num: int, seed: int) -> Rates:
        rng = np.random.default_rng((seed, int(100 * part)))
        totals = self.totals()
        hits = rng.binomial(totals.astype(int), self.shares(part), (num, *totals.shape))
        return Rates(hits.astype(float), np.broadcast_to(totals, hits.shape))


GRID = [Cell(*one) for one in product(LIMITS, NUM_GROUPS, SIZES, BASES)]
Bounds = Callable[[Rates, bool], tuple[Floats, Floats]]


def exact_pairs(rates: Rates, ratio: bool) -> tuple[Floats, Floats]:
    """What the pipeline decides on."""
    return gap_bounds(rates, confidence=CONFIDENCE, ratio=ratio)[1:]


def wilson_pairs(rates: Rates, ratio: bool) -> tuple[Floats, Floats]:
    """The same with Wilson's limits of each rate, which makes Newcombe's bounds of pairs."""

    def limits(rates: Rates, error: float) -> tuple[Floats, Floats]:
        return wilson(rates.successes, rates.totals, 1 - 2 * error)

    return gap_bounds(rates, confidence=CONFIDENCE, ratio=ratio, limits=limits)[1:]


def percentile(rates: Rates, ratio: bool) -> tuple[Floats, Floats]:
    """Percentile bootstrap of the largest gap."""
    rng = np.random.default_rng(1)
    totals = rates.totals.astype(int)
    drawn = rng.binomial(totals, rates.shares, (NUM_RESAMPLES, *totals.shape)).astype(float)
    values = largest(Rates(drawn, np.broadcast_to(rates.totals, drawn.shape)), ratio)
    low, high = np.quantile(values, [1 - CONFIDENCE, CONFIDENCE], axis=0)
    return low, high


def max_t(rates: Rates, ratio: bool) -> tuple[Floats, Floats]:
    """Simultaneous over all pairs and rates: one critical value for the largest studentised
    deviation, from a parametric bootstrap with rates shrunk by +2/+4 (what this project had
    before). Source: J. P. Romano, M. Wolf, JASA 100 (2005) 94-108."""
    first, second = np.triu_indices(rates.totals.shape[-1], k=1)
    shrunk = (rates.successes + 2) / (rates.totals + 4)
    scale: Callable[[Floats], Floats] = np.log if ratio else np.asarray
    variance = shrunk * (1 - shrunk) / (rates.totals + 4) / (shrunk**2 if ratio else 1)
    error = np.sqrt(variance[..., first] + variance[..., second])
    rng = np.random.default_rng(1)
    drawn = rng.binomial(rates.totals.astype(int), shrunk, (NUM_RESAMPLES, *rates.totals.shape))
    moved = scale((drawn + 2) / (rates.totals + 4)) - scale(shrunk)
    deviation = np.abs(moved[..., first] - moved[..., second]) / error
    critical = np.quantile(deviation.max(axis=(-2, -1)), CONFIDENCE, axis=0)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = scale(rates.shares)
        gap = np.abs(observed[..., first] - observed[..., second])
    gap = np.where(np.isnan(gap), 0.0, gap)
    low = np.maximum(np.where(np.isinf(gap), 0.0, gap) - critical * error, 0.0)
    high = (gap + critical * error).max(axis=(-2, -1))
    low = low.max(axis=(-2, -1))
    return (np.exp(-high), np.exp(-low)) if ratio else (low, high)


METHODS: dict[str, Bounds] = {
    "exact, of pairs": exact_pairs,
    "Wilson, of pairs": wilson_pairs,
    "max-T": max_t,
    "percentile": percentile,
}


@dataclass(frozen=True)
class Outcome:
    """Shares of the repetitions.

    Attributes:
        false_pass: The true gap is at the limit, and the worse bound keeps it.
        false_break: The true gap is at the limit, and the better bound breaks it.
        false_gap: There is no gap, and the better bound says that there is one.
        passes_half: Half of the gap is there, and the worse bound keeps the limit.
        passes_none: There is no gap, and the worse bound keeps the limit.
    """

    false_pass: float
    false_break: float
    false_gap: float
    passes_half: float
    passes_none: float


def simulate(cell: Cell, bounds: Bounds, num: int, seed: int) -> Outcome:
    """What `num` test sets of each kind come to."""
    limit, ratio = LIMITS[cell.kind], cell.ratio
    at_limit, half, none = (bounds(cell.drawn(part, num, seed), ratio) for part in (1.0, 0.5, 0.0))

    def keeps(found: tuple[Floats, Floats]) -> float:
        return float(np.mean(found[0] >= limit if ratio else found[1] <= limit))

    def breaks(found: tuple[Floats, Floats], limit: float) -> float:
        return float(np.mean(found[1] < limit if ratio else found[0] > limit))

    return Outcome(
        false_pass=keeps(at_limit),
        false_break=breaks(at_limit, limit),
        false_gap=breaks(none, 1.0 if ratio else 0.0),
        passes_half=keeps(half),
        passes_none=keeps(none),
    )


def enumerated(error: float) -> list[tuple[float, int, int, float, float]]:
    """How often a pair's upper bound lies below the true difference, the worst first: its share of
    all test sets, rows of both groups, the higher rate, and the difference."""
    found = []
    sizes = (30, 50, 120, 200, 500, 1000)
    cells = [
        (base + gap, gap)
        for base, gap in product((0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 0.5), (0.05, 0.1, 0.2, 0.4))
    ]
    for one, other in track(
        list(product(sizes, sizes)), "adding up", console=Console(file=sys.stderr, stderr=True)
    ):
        hits = np.stack(np.meshgrid(np.arange(one + 1.0), np.arange(other + 1.0)), axis=-1)
        rates = Rates(hits[..., None, :], np.array([[float(one), float(other)]]))
        upper = -pairs_lower(rates, np.array([1]), np.array([0]), error, ratio=False)[..., 0, 0]
        for high, gap in cells:
            first = binom.pmf(np.arange(one + 1), one, high)
            second = binom.pmf(np.arange(other + 1), other, high - gap)
            share = float(((second[:, None] * first) * (upper < gap)).sum())
            found.append((share, one, other, high, gap))
    return sorted(found, reverse=True)


def tolerated(num_cells: int, num: int) -> float:
    """The share of errors above which a bound that errs with 5 % would be in none of so many cells
    with a probability of 95 % (Šidák; normal approximation with continuity correction)."""
    z = NormalDist().inv_cdf(0.95 ** (1 / num_cells))
    error = 1 - CONFIDENCE
    return error + z * (error * (1 - error) / num) ** 0.5 + 0.5 / num


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=NUM_REPETITIONS)
    parser.add_argument("--enumerate", action="store_true")
    given = parser.parse_args()
    console = Console(width=140)
    if given.enumerate:
        for error in (0.05, 0.05 / 20):
            worst = enumerated(error)
            console.print(f"a pair's bound at {error:g}: of {len(worst)} cells the worst err with")
            for share, *cell in worst[:5]:
                console.print(
                    f"  {share:.4f}: rows {cell[0]} and {cell[1]}, rates {cell[2]} and "
                    f"{cell[2] - cell[3]:.3f}"
                )
        return
    found: dict[tuple[str, Cell], Outcome] = {}
    jobs = list(product(METHODS, enumerate(GRID)))
    for method, (seed, cell) in track(
        jobs, "simulating", console=Console(file=sys.stderr, stderr=True)
    ):
        found[method, cell] = simulate(cell, METHODS[method], given.repetitions, seed)
    allowed = tolerated(len(GRID), given.repetitions)
    table = Table(
        "bounds",
        "measure",
        "false pass: most",
        "mean",
        "cells above",
        "false break: most",
        "false gap: most",
        "passes, half",
        "passes, none",
        title=f"{len(GRID)} cells, {given.repetitions} repetitions each; tolerated: {allowed:.3f}",
    )
    for method, kind in product(METHODS, LIMITS):
        some = [found[method, cell] for cell in GRID if cell.kind == kind]
        passes = [one.false_pass for one in some]
        table.add_row(
            method,
            kind,
            f"{max(passes):.3f}",
            f"{np.mean(passes):.3f}",
            f"{sum(one > allowed for one in passes)} of {len(some)}",
            f"{max(one.false_break for one in some):.3f}",
            f"{max(one.false_gap for one in some):.3f}",
            f"{np.mean([one.passes_half for one in some]):.3f}",
            f"{np.mean([one.passes_none for one in some]):.3f}",
        )
    console.print(table)
    console.print(by_cell({cell: found["exact, of pairs", cell] for cell in GRID}))


def by_cell(found: dict[Cell, Outcome]) -> Table:
    """False passes and power of one method, cell by cell."""
    table = Table(
        "measure", "groups", "rows", title="false pass / passes half / passes none, by base rate"
    )
    for base in BASES:
        table.add_column(f"{base:g}")
    for kind, num_groups, sizes in product(LIMITS, NUM_GROUPS, SIZES):
        shown = [found[Cell(kind, num_groups, sizes, base)] for base in BASES]
        table.add_row(
            kind,
            str(num_groups),
            sizes,
            *(f"{o.false_pass:.3f} / {o.passes_half:.2f} / {o.passes_none:.2f}" for o in shown),
        )
    return table


if __name__ == "__main__":
    main()
