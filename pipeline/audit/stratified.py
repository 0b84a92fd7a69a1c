"""A difference of two rates within strata, averaged over strata: Mantel and Haenszel's method.

Strata weigh n_a n_b / (n_a + n_b), so that one in which a side is absent weighs nothing. That the
strata's own differences are alike is not assumed: theirs is an average. Everything is counts, with
strata on the first axis and any number of comparisons on the second.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def mantel_haenszel(
    hits: Counts, sizes: Counts, other_hits: Counts, other_sizes: Counts
) -> tuple[Floats, Floats]:
    """The averaged difference of rates, and its standard error, each of shape (m,).

    Source: N. Mantel and W. Haenszel, Journal of the National Cancer Institute 22 (1959) 719-748,
    for the weights; the error is that of T. Sato, On the variance estimator for the Mantel-Haenszel
    risk difference, Biometrics 45 (1989) 1323-1324, right for few large strata and for many small
    ones. Both are nan where no stratum has both sides.

    Args:
        hits: Of side a, shape (strata, m); the others likewise.
    """
    n_a, n_b, y_a, y_b = (
        np.asarray(one, dtype=float) for one in (sizes, other_sizes, hits, other_hits)
    )
    both = np.maximum(n_a + n_b, 1.0)
    weight = (n_a * n_b / both).sum(axis=0)
    p = (n_a**2 * y_b - n_b**2 * y_a + n_a * n_b * (n_b - n_a) / 2) / both**2
    q = (y_a * (n_b - y_b) + y_b * (n_a - y_a)) / (2 * both)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = ((y_a * n_b - y_b * n_a) / both).sum(axis=0) / weight
        variance = np.maximum(value * p.sum(axis=0) + q.sum(axis=0), 0.0) / weight**2
        error: Floats = np.where(weight > 0, np.sqrt(variance), np.nan)
    return np.where(weight > 0, value, np.nan), error


def mantel_haenszel_p(hits: Counts, sizes: Counts, all_hits: Counts, all_sizes: Counts) -> Floats:
    """Whether parts have other rates than the rest of their strata; two-sided p, shape (m,).

    The chi-square of Mantel and Haenszel 1959, without continuity correction: hits beyond those
    expected, summed over strata, by their hypergeometric variance.

    Args:
        hits: Of the part, shape (strata, m); `sizes` likewise.
        all_hits: Of part and rest together, shape (strata, m or 1); `all_sizes` likewise.
    """
    from scipy.stats import chi2

    total = np.maximum(all_sizes, 1).astype(float)
    share, rest = all_hits / total, all_sizes - sizes
    excess = (hits - sizes * share).sum(axis=0)
    spread = share * (1 - share) * sizes * rest / np.maximum(total - 1, 1.0)
    variance = spread.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(variance > 0, excess**2 / variance, 0.0)
    found: Floats = chi2.sf(statistic, 1)
    return found
