"""The front and the choice, on tables made by hand."""

import math
from typing import Any

import pytest

from flows.frontier.choice import Span, choose, front, share_of_limit, standard_error, worst_gap
from tests.flows.frontier.frontiers import point


def names(points: Any) -> list[str]:
    return [one.name for one in points]


def test_the_front_has_the_points_that_no_other_beats_in_both() -> None:
    points = [
        point("a", 0.90, 1.8),
        point("b", 0.88, 0.9),
        point("c", 0.87, 1.0),  # b is better in both
        point("d", 0.88, 1.2),  # as good as b, with a larger gap
        point("e", 0.80, 0.1),
        point("f", 0.99, 2.0, gap=None),  # no gap is known of it
    ]

    assert names(front(points)) == ["e", "b", "a"]
    assert names(front(points, larger_is_better=False)) == ["e"]


def test_chosen_is_the_best_of_those_that_would_pass() -> None:
    points = [point("plain", 0.90, 1.8), point("mild", 0.88, 0.7), point("hard", 0.80, 0.1)]

    choice = choose(points, "accuracy")

    assert choice.chosen is points[1]
    assert names(choice.alike) == ["mild"]
    assert "2 of 3 points would pass" in choice.sentence


def test_where_a_smaller_measure_is_better_the_least_is_chosen() -> None:
    points = [point("mild", 0.4, 0.7), point("hard", 0.3, 0.1)]

    assert choose(points, "log_loss", larger_is_better=False).chosen is points[1]


def test_of_those_that_rows_cannot_tell_apart_the_one_furthest_from_the_limits_is_chosen() -> None:
    # Paired differences of b from a: -0.03, +0.02, -0.005: their mean is -0.005, their standard
    # deviation 0.025; of c from a: all -0.05, so c is shown to be worse.
    points = [
        point("a", 0.880, 0.7, replicates=(0.87, 0.88, 0.89)),
        point("b", 0.875, 0.4, replicates=(0.84, 0.90, 0.885)),
        point("c", 0.830, 0.1, replicates=(0.82, 0.83, 0.84)),
    ]

    choice = choose(points, "accuracy")

    assert standard_error(points[1], points[0]) == pytest.approx(0.025)
    assert standard_error(points[2], points[0]) == pytest.approx(0, abs=1e-12)
    assert choice.best is points[0]
    assert names(choice.alike) == ["a", "b"]
    assert choice.chosen is points[1]
    assert "cannot tell 1 more from it" in choice.sentence


def test_none_passes_names_the_nearest_and_why() -> None:
    points = [point("far", 0.9, 1.8), point("near", 0.8, 1.1)]

    choice = choose(points, "accuracy")

    assert choice.chosen is None
    assert choice.nearest is points[1]
    assert "None of 2 points would pass" in choice.sentence
    assert "near has a gap of 1.1." in choice.sentence


def test_without_rules_nothing_is_chosen() -> None:
    choice = choose([point("a", 0.9, 0.1, rules=(), outcome="insufficient")], "accuracy")

    assert choice.chosen is None
    assert choice.nearest is None
    assert "no rule" in choice.sentence


def rule(measure: str, by: str, bound: float, **ends: float | None) -> dict[str, Any]:
    direction = "at_least" if measure.endswith("ratio") else "at_most"
    return {"measure": measure, "by": by, "bound": bound, "direction": direction, **ends}


def ends(span: Span | None) -> tuple[float, float, float]:
    assert span is not None
    return span.value, span.low, span.high


def test_a_gap_is_reckoned_as_a_share_of_its_limit() -> None:
    difference = rule("demographic_parity_difference", "sex", 0.1, value=0.06, low=0.04, high=0.08)
    ratio = rule("demographic_parity_ratio", "sex", 0.8, value=0.9, low=0.7, high=1.0)
    never = rule("demographic_parity_difference", "sex", 0.0, value=0.06, low=0.0, high=0.08)
    unknown = rule("demographic_parity_difference", "sex", 0.1, value=None, low=None, high=None)

    assert ends(share_of_limit(difference)) == pytest.approx((0.6, 0.4, 0.8))
    assert ends(share_of_limit(ratio)) == pytest.approx((0.5, 0.0, 1.5))
    assert share_of_limit(never) == Span(math.inf, 0.0, math.inf)
    assert share_of_limit(unknown) is None


def test_the_worst_gap_is_over_all_rules_and_so_are_its_bounds() -> None:
    rules = [
        rule("demographic_parity_difference", "sex", 0.1, value=0.06, low=0.04, high=0.08),
        rule("demographic_parity_difference", "race", 0.2, value=0.08, low=0.0, high=0.19),
        {"measure": "accuracy", "by": None, "bound": 0.8, "direction": "at_least", "value": 0.9},
    ]

    found = worst_gap(rules, {})

    assert found is not None
    assert found.subject == "demographic_parity_difference by sex"
    assert found.value == 0.06
    assert ends(found.span) == pytest.approx((0.6, 0.4, 0.95))


def test_without_a_rule_on_a_gap_the_largest_difference_in_selection_rates_is_shown() -> None:
    gaps = {
        "sex": {"demographic_parity_difference": {"value": 0.1, "low": 0.0, "high": 0.2}},
        "race": {"demographic_parity_difference": {"value": 0.05, "low": 0.0, "high": 0.3}},
    }

    found = worst_gap([], gaps)

    assert found is not None
    assert not found.is_share
    assert found.subject == "demographic_parity_difference by sex"
    assert found.span == Span(0.1, 0.0, 0.3)
    assert worst_gap([], {}) is None
