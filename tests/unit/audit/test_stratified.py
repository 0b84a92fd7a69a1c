"""Mantel and Haenszel's averaged difference: by hand, by chi-square, and by its coverage."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from pipeline.audit.stratified import mantel_haenszel, mantel_haenszel_p


def test_two_strata_by_hand() -> None:
    """Rates .8 and .9, then .2 and .3, with 100 and 10, 10 and 100 rows: both strata weigh
    1000/110 and differ by -.1."""
    value, _ = mantel_haenszel(
        np.array([[80], [2]]),
        np.array([[100], [10]]),
        np.array([[9], [30]]),
        np.array([[10], [100]]),
    )
    assert value == pytest.approx([-0.1])


def test_one_stratum_of_equal_groups_has_the_plain_variance() -> None:
    """With n rows each, Sato's variance is (p(1 - p) + q(1 - q)) / n."""
    value, error = mantel_haenszel(*(np.array([[one]]) for one in (60, 100, 30, 100)))
    assert (value[0], error[0]) == pytest.approx((0.3, ((0.6 * 0.4 + 0.3 * 0.7) / 100) ** 0.5))


def test_strata_without_a_counterpart_weigh_nothing() -> None:
    hits, sizes = np.array([[5, 5], [0, 0]]), np.array([[10, 10], [10, 0]])
    others, other_sizes = np.array([[2, 0], [0, 0]]), np.array([[10, 0], [0, 9]])
    value, error = mantel_haenszel(hits, sizes, others, other_sizes)
    assert value[0] == pytest.approx(0.3)
    assert np.isnan([value[1], error[1]]).all()


def test_many_strata_of_three_rows_keep_the_confidence() -> None:
    """200 strata of one row against two, base rates from 0.1 to 0.7, true difference 0.2."""
    rng = np.random.default_rng(0)
    base = rng.uniform(0.1, 0.7, (200, 1))
    one, two = np.ones((200, 2000), dtype=np.int64), np.full((200, 2000), 2)
    value, error = mantel_haenszel(rng.binomial(one, base + 0.2), one, rng.binomial(two, base), two)
    held = np.abs(value - 0.2) <= 1.959964 * error
    assert 0.94 < held.mean() < 0.96


def test_one_stratum_is_pearsons_chi_square_but_for_one_row() -> None:
    table = np.array([[30, 70], [60, 40]])
    pearson = chi2_contingency(table, correction=False)
    p = mantel_haenszel_p(*(np.array([[n]]) for n in (30, 100, 90, 200)))
    expected = chi2_contingency(table, correction=False).statistic * 199 / 200
    assert pearson.pvalue < p[0] < 1.1 * pearson.pvalue
    from scipy.stats import chi2

    assert p[0] == pytest.approx(chi2.sf(expected, 1))


def test_what_the_strata_explain_is_no_difference() -> None:
    """Half of both sides in each stratum, whatever the sides' sizes."""
    p = mantel_haenszel_p(
        np.array([[40], [1]]),
        np.array([[80], [10]]),
        np.array([[50], [10]]),
        np.array([[100], [100]]),
    )
    assert p == pytest.approx([1.0])
