"""Where a sensitive number is cut into groups: at round numbers near its quantiles."""

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

MAX_VALUES = 10
"""A number with no more values than this has groups already: each value is one."""
NUM_GROUPS = (4, 3, 5, 2)
"""How many groups are tried, in this order."""
MIN_OF_EVEN = 0.5
"""The smallest group has at least this share of what an even one has."""
ROUND = (5.0, 2.5, 2.0, 1.0)


def edges(values: pl.Series) -> tuple[float, ...]:
    """Ascending edges that make groups as even as round numbers allow; none of few values.

    Of all steps 1, 2, 2.5 and 5 times a power of ten, the largest one that serves is taken.
    """
    number = values.drop_nulls().cast(pl.Float64).to_numpy()
    number = number[np.isfinite(number)]
    if len(np.unique(number)) <= MAX_VALUES:
        return ()
    best: tuple[float, tuple[float, ...]] = (-1.0, ())
    for num_groups in NUM_GROUPS:
        for step in _steps(number):
            found = _at_quantiles(number, num_groups, step)
            if len(found) != num_groups - 1:
                continue
            evenness = _smallest_share(number, found) * num_groups
            if evenness >= MIN_OF_EVEN:
                return found
            best = max(best, (evenness, found))
    return best[1] if best[0] > 0 else (float(np.median(number)),)


def _steps(number: NDArray[np.float64]) -> list[float]:
    """Round steps, from the range's own size downwards; none below 1 where all are whole."""
    spread = float(np.ptp(number))
    power = int(np.floor(np.log10(spread)))
    found = [
        factor * 10.0**exponent for exponent in range(power, power - 4, -1) for factor in ROUND
    ]
    whole = bool((number == np.floor(number)).all())
    return [step for step in found if step <= spread and (not whole or step == int(step))]


def _at_quantiles(number: NDArray[np.float64], num_groups: int, step: float) -> tuple[float, ...]:
    quantiles = np.quantile(number, np.arange(1, num_groups) / num_groups)
    rounded = {round(round(float(one) / step) * step, 10) for one in quantiles}
    low, high = float(number.min()), float(number.max())
    return tuple(sorted(edge for edge in rounded if low < edge <= high))


def _smallest_share(number: NDArray[np.float64], found: tuple[float, ...]) -> float:
    limits = (-np.inf, *found, np.inf)
    counts = [int(((number >= low) & (number < high)).sum()) for low, high in pairwise(limits)]
    return min(counts) / len(number)
