"""Gaps in words: how many people, of whom, and when it may be chance."""

from typing import Any

from pipeline.core.metrics.gaps import CELLS, measured
from pipeline.core.metrics.measures import CALIBRATION, COMPARED, MEANS, RATES
from pipeline.core.page.group_words import GROUP_MEASURES, harm


def entry(group: str, *cells: int) -> dict[str, Any]:
    counts = dict(zip(CELLS, cells, strict=True))
    return {"group": group, "num_rows": sum(cells), "counts": counts}


def said(measure: str, *groups: dict[str, Any]) -> str | None:
    gap = measured(groups, measure, confidence=0.95, min_group_size=1, num_replicates=100, seed=0)
    return harm(gap or {})


A = entry("a", 800, 200, 200, 800)  # 1,000 of 2,000 selected, 800 of 1,000 found
B = entry("b", 720, 80, 600, 600)  # 680 of 2,000 selected, 600 of 1,200 found


def test_every_measure_has_a_title_and_a_sentence() -> None:
    for name in (*RATES, CALIBRATION, *MEANS, *COMPARED):
        if name != "accuracy":  # a metric of all rows as well, explained there
            assert GROUP_MEASURES[name].title
            assert GROUP_MEASURES[name].explanation.endswith(".")


def test_a_gap_is_told_in_people() -> None:
    assert said("demographic_parity_difference", A, B) == (
        "Were “b” selected as often as “a”, about 320 more of its 2,000 people would be selected; "
        "800 in every 10,000 decisions about these groups."
    )
    assert said("equal_opportunity_difference", A, B) == (
        "Were outcomes found in “b” as often as in “a”, about 360 more of its 1,200 people with "
        "the outcome would be found; 900 in every 10,000 decisions about these groups."
    )
    assert said("false_positive_rate_difference", A, B) == (
        "Of the 1,000 people in “a” without the outcome, about 100 are selected who would not be "
        "at the false positive rate of “b”; 250 in every 10,000 decisions about these groups."
    )


def test_a_gap_that_may_be_chance_is_said_to_be() -> None:
    text = said("demographic_parity_difference", A, entry("b", 795, 195, 205, 805))
    assert text is not None
    assert text.endswith("These rows do not show that the gap is more than chance.")


def test_nothing_is_said_of_what_concerns_no_decision() -> None:
    assert harm({"harm": None, "low": 0, "of": "calibration"}) is None
    assert harm({}) is None


def test_a_number_is_told_by_how_much() -> None:
    gap = {
        "of": "mean_absolute_error",
        "low": 0.2,
        "harm": {"group": "b", "reference": "a", "out_of": 40, "num_people": 40, "per_person": 1.5},
    }
    assert harm(gap) == (
        "Predictions for the 40 people in “b” miss the truth by 1.5 more than those for “a”, on "
        "average."
    )
