"""Which plots the groups' section has, and which gaps it tells in people."""

from typing import Any

from pipeline.report.groups_page import MAX_ROWS, draw, harms

SPAN = {"value": 0.2, "low": 0.1, "high": 0.3}


def assess(num_groups: int) -> dict[str, Any]:
    groups = [
        {"group": f"g{i}", "num_rows": 300, "too_small": False, "selection_rate": SPAN}
        for i in range(num_groups)
    ]
    gaps = dict.fromkeys(
        (
            "demographic_parity_difference",
            "demographic_parity_ratio",
            "equal_opportunity_difference",
            "false_negative_rate_difference",
        ),
        SPAN,
    )
    return {"model": {"sex": {"groups": groups, "gaps": gaps}}, "baseline": {}}


def test_a_plot_of_too_many_groups_is_left_to_the_table() -> None:
    assert set(draw(assess(MAX_ROWS), [])) == {"selection-rate-0", "gaps-0"}
    assert set(draw(assess(MAX_ROWS + 1), [])) == {"gaps-0"}


def test_gaps_are_drawn_once_and_those_with_a_rule_always() -> None:
    plain = draw(assess(2), [])["gaps-0"]
    assert "Difference in outcomes found" in plain
    assert "Ratio of selection rates" not in plain
    assert "Difference in outcomes missed" not in plain  # the same number as outcomes found
    rule = {"by": "sex", "measure": "false_negative_rate_difference", "bound": 0.25}
    ruled = draw(assess(2), [rule])["gaps-0"]
    assert "Difference in outcomes missed · limit 0.25" in ruled


def test_the_same_people_are_told_of_once() -> None:
    def gap(of: str) -> dict[str, Any]:
        harm = {"group": "b", "reference": "a", "num_people": 5, "out_of": 50, "per_10000": 9}
        return {**SPAN, "of": of, "harm": harm}

    told = harms(
        {
            "demographic_parity_difference": gap("selection_rate"),
            "demographic_parity_ratio": gap("selection_rate"),
            "equalized_odds_difference": gap("true_positive_rate"),
            "equal_opportunity_difference": gap("true_positive_rate"),
            "calibration_difference": {**SPAN, "of": "calibration", "harm": None},
        }
    )
    assert len(told) == 2
    assert told[0].startswith("Were “b” selected as often")
    assert told[1].startswith("Were outcomes found in “b”")
