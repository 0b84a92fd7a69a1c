"""Two models on the same rows: the difference of a share or of a mean, with one-sided bounds.

What is kept of a comparison are counts, so that a rule's own confidence needs no rows.
"""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

_NORMAL = NormalDist()
_STEPS = 60


def gain_of_shares(num_gained: int, num_lost: int, num_rows: int) -> dict[str, Any]:
    """The comparison of a share: of `num_rows` rows, how many the new model alone has right, and
    how many the old one alone."""
    value = (num_gained - num_lost) / num_rows if num_rows else None
    return {
        "value": None if value is None else round(value, 6),
        "num_rows": num_rows,
        "num_gained": num_gained,
        "num_lost": num_lost,
    }


def gain_of_means(mean: float, deviation: float, num_rows: int) -> dict[str, Any]:
    """The comparison of a mean: of the rows' differences, their mean and standard deviation."""
    return {
        "value": round(mean, 6) if num_rows else None,
        "num_rows": num_rows,
        "standard_deviation": round(deviation, 6),
    }


def bounds(gain: Mapping[str, Any], confidence: float) -> tuple[float, float]:
    """One-sided bounds of a gain; each errs with probability 1 - confidence. Without rows, all.

    Args:
        gain: From `gain_of_shares` or `gain_of_means`.
        confidence: Of each bound.
    """
    num_rows = gain["num_rows"]
    z = _NORMAL.inv_cdf(confidence)
    if "standard_deviation" in gain:
        if num_rows < 2:
            return -math.inf, math.inf
        half = z * gain["standard_deviation"] / math.sqrt(num_rows)
        return gain["value"] - half, gain["value"] + half
    if num_rows == 0:
        return -1.0, 1.0
    gained, lost = gain["num_gained"], gain["num_lost"]
    return -_upper(lost, gained, num_rows, z), _upper(gained, lost, num_rows, z)


def _upper(gained: int, lost: int, num_rows: int, z: float) -> float:
    """The upper bound of a paired difference of shares, by Tango's score interval.

    The difference δ for which the score statistic equals -z, found by bisection. It keeps its
    coverage with few discordant rows, where McNemar's normal approximation has none.

    Source: T. Tango, Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design, Statistics in Medicine 17 (1998) 891-908.
    """
    low, high = (gained - lost) / num_rows, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _score(gained, lost, num_rows, middle) > -z:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _score(gained: int, lost: int, num_rows: int, delta: float) -> float:
    """The score statistic of H0: the difference is `delta`; falls as `delta` grows."""
    a = 2 * num_rows
    b = -gained - lost + (2 * num_rows - gained + lost) * delta
    c = -lost * delta * (1 - delta)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)  # of lost rows, under H0
    variance = num_rows * (2 * share + delta * (1 - delta))
    distance = gained - lost - num_rows * delta
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def error_of(gain: Mapping[str, Any], confidence: float) -> float:
    """The standard error: the wider side of the interval over the normal quantile, so that few
    rows without any difference prove little."""
    if gain["value"] is None:
        return math.inf
    low, high = bounds(gain, confidence)
    value = float(gain["value"])
    return max(value - low, high - value) / _NORMAL.inv_cdf(confidence)


def power(gain: Mapping[str, Any], margin: float, confidence: float) -> float:
    """The probability that these rows show a loss of `margin`, in that they exclude "no loss".

    By normal approximation, Φ(margin / standard error - z(confidence)). It is as well the
    probability that a model without any loss is shown to lose less than the margin.
    """
    error = error_of(gain, confidence)
    if not math.isfinite(error):
        return 0.0
    z = _NORMAL.inv_cdf(confidence)
    return 1.0 if error == 0 else _NORMAL.cdf(margin / error - z)
