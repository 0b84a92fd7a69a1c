"""Paired gains: bounds against an independent search of the likelihood, coverage, power."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from pipeline.core.statistics.paired import bounds, gain_of_means, gain_of_shares, power

Z = 1.6448536269514722


def by_likelihood(gained: int, lost: int, num_rows: int, delta: float) -> float:
    """Tango's statistic with the constrained maximum found by search, not by formula."""
    same = num_rows - gained - lost

    def minus_log_likelihood(share: float) -> float:
        cells = ((gained, share + delta), (lost, share), (same, 1 - 2 * share - delta))
        return -sum(n * math.log(max(p, 1e-300)) for n, p in cells if n)

    low, high = max(0.0, -delta), (1 - delta) / 2
    share = minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    return (gained - lost - num_rows * delta) / math.sqrt(
        num_rows * (2 * share + delta - delta * delta)
    )


@pytest.mark.parametrize(("gained", "lost", "num_rows"), [(12, 5, 60), (3, 9, 200), (40, 44, 900)])
def test_bounds_of_a_share_are_where_the_score_statistic_is_critical(
    gained: int, lost: int, num_rows: int
) -> None:
    low, high = bounds(gain_of_shares(gained, lost, num_rows), 0.95)
    value = (gained - lost) / num_rows
    known_high = brentq(lambda d: by_likelihood(gained, lost, num_rows, d) + Z, value, 0.9)
    known_low = brentq(lambda d: by_likelihood(gained, lost, num_rows, d) - Z, -0.9, value)
    assert (low, high) == pytest.approx((known_low, known_high), abs=1e-4)


def test_without_any_difference_few_rows_prove_little() -> None:
    """By hand: z² / (n + z²)."""
    low, high = bounds(gain_of_shares(0, 0, 50), 0.95)
    assert (low, high) == pytest.approx((-(Z**2) / (50 + Z**2), Z**2 / (50 + Z**2)), abs=1e-9)
    assert bounds(gain_of_shares(0, 0, 0), 0.95) == (-1, 1)


def test_bounds_of_a_mean_are_those_of_the_normal() -> None:
    low, high = bounds(gain_of_means(0.2, 3.0, 900), 0.95)
    assert (low, high) == pytest.approx((0.2 - Z * 0.1, 0.2 + Z * 0.1))


@pytest.mark.parametrize(("gains", "losses"), [(0.01, 0.03), (0.05, 0.05), (0.001, 0.002)])
def test_a_bound_errs_in_about_one_test_set_of_twenty(gains: float, losses: float) -> None:
    rng = np.random.default_rng(0)
    num_rows, errors = 400, 0
    drawn = rng.multinomial(num_rows, [gains, losses, 1 - gains - losses], 2000)
    for gained, lost, _ in drawn:
        errors += bounds(gain_of_shares(int(gained), int(lost), num_rows), 0.95)[1] < gains - losses
    assert errors / 2000 < 0.065


def test_power_is_how_often_a_loss_is_told_from_none() -> None:
    """A loss of 0.03 in 1,000 rows, 6 % of which differ, drawn 2,000 times."""
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(1000, [0.015, 0.045, 0.94], 2000)
    shown = [bounds(gain_of_shares(int(g), int(lost), 1000), 0.95)[1] < 0 for g, lost, _ in drawn]
    said = power(gain_of_shares(15, 45, 1000), 0.03, 0.95)
    assert said == pytest.approx(np.mean(shown), abs=0.03)
    assert power(gain_of_shares(0, 0, 10), 0.02, 0.95) < 0.1
    assert power(gain_of_shares(0, 0, 0), 0.02, 0.95) == 0
