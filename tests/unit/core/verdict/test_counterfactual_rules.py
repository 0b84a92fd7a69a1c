"""A rule of the gate on swapped words: passes, fails, lacks evidence, and is refused by name."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.assess.stage import Settings as Assess
from pipeline.core.errors import ProjectError
from pipeline.core.page.wording import reason, rule_title
from pipeline.core.settings.typed_settings import strictly
from pipeline.core.verdict.gate_rules import Rule
from pipeline.core.verdict.rule_checks import check_groupings, check_swaps, check_task
from pipeline.gate.stage import verdict
from pipeline.report.counterfactuals_page import largest, looked_at, unmoved

GAP = {
    "value": 0.03,
    "low": 0.01,
    "high": 0.05,
    "standard_error": 0.012,
    "bounds": {"0.95": [0.01, 0.05], "0.99": [0.0, 0.06]},
}


def entry(gap: dict[str, Any] | None, **given: Any) -> dict[str, Any]:
    return {
        "gap": gap,
        "in_templates": False,
        "num_touched": 12,
        "num_rows": 400,
        "num_scored": 12,
        "num_unmoved": 0,
        **given,
    }


def decided(by: str = "names", **given: Any) -> dict[str, Any]:
    rule = Rule.model_validate({"measure": "counterfactual_change", "by": by, **given})
    assessment = {
        "task": "binary",
        "confidence": 0.95,
        "no_sensitive": "texts",
        "model": {},
        "baseline": {},
        "counterfactuals": {"min_texts": 50, "by": {"names": entry(GAP), "few": entry(None)}},
    }
    evaluation = {"confidence": 0.95, "task": "binary", "baseline": {}}
    found = verdict((rule,), evaluation, assessment)
    [one] = found["rules"]
    return {**one, "total": found["outcome"], "of_baseline": found["baseline_outcome"]}


@pytest.mark.parametrize(
    ("limit", "outcome"), [(0.05, "pass"), (0.04, "insufficient"), (0.005, "fail")]
)
def test_the_bound_towards_the_limit_decides(limit: float, outcome: str) -> None:
    found = decided(at_most=limit)
    assert (found["outcome"], found["total"]) == (outcome, outcome)
    assert (found["value"], found["low"], found["high"]) == (0.03, 0.01, 0.05)
    assert found["baseline"] is None
    assert rule_title(found) == f"Change by swapped words by names: at most {limit:g}"
    assert "Measured 0.030" in reason(found)


def test_a_confidence_of_its_own_has_its_own_bounds() -> None:
    assert decided(at_most=0.05, confidence=0.99)["outcome"] == "insufficient"
    with pytest.raises(ProjectError, match="a confidence that `assess` keeps") as caught:
        decided(at_most=0.05, confidence=0.97)
    assert "assess.confidence: 0.97" in str(caught.value)


def test_few_texts_are_not_enough_evidence_and_may_warn() -> None:
    found = decided("few", at_most=0.05)
    assert (found["outcome"], found["refuses"]) == ("insufficient", True)
    assert "12 of 400 test rows have such a word, 50 are asked for" in reason(found)
    warned = decided("few", at_most=0.05, insufficient="warn", reason="names are rare")
    assert not warned["refuses"]


def test_a_list_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(ProjectError, match="`by` is 'name'") as caught:
        decided("name", at_most=0.05)
    assert "did you mean `names`?" in str(caught.value)
    rule = Rule(measure="counterfactual_change", by="names", at_most=0.05)
    with pytest.raises(ProjectError, match="no such rule") as none:
        check_swaps([rule], ())
    assert "texts alone" in str(none.value)
    check_groupings([rule], ("sex",))  # it is about no grouping


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"at_most": 0.05}, "expected `by`, the word list"),
        ({"at_least": 0.05, "by": "names"}, "expected the limit under `at_most`"),
        ({"at_most": 0.05, "by": "names", "min_group_size": 5}, "in a rule on counterfactual"),
        (
            {"against": "champion", "margin": 0.1, "by": "names"},
            "unknown measure 'counterfactual_change'",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate({"measure": "counterfactual_change", **keys})


def test_a_limit_that_no_probability_can_break_is_refused() -> None:
    rule = Rule(measure="counterfactual_change", by="names", at_most=5)
    with pytest.raises(ProjectError, match="between 0 and 1, got 5") as caught:
        check_task([rule], "binary")
    assert "0.05" in str(caught.value)
    check_task([rule], "regression")


def test_a_setting_of_another_modality_is_refused_by_name() -> None:
    given = {"counterfactuals": {"max_texts": 100}}
    with pytest.raises(ValidationError, match="of the modality tabular"):
        strictly(Assess, given, {"modality": "tabular"})
    found = strictly(Assess, given, {"modality": "text"})
    assert found.counterfactuals is not None
    assert found.counterfactuals.max_texts == 100


def test_the_page_says_how_many_texts_and_shows_none_of_them() -> None:
    assert looked_at(entry(None), 50).endswith("fewer than 50 are too few to say something.")
    drawn = entry(GAP, num_touched=300, num_scored=200)
    assert looked_at(drawn, 50) == "300 of 400 test rows have such a word, of which 200 were drawn."
    assert unmoved(entry(GAP)) == ""
    assert unmoved(entry(GAP, num_unmoved=3)).startswith("The answer to 3 of 12 did not move")
    one = {"output": "probability of great", "value": 0.2, "from": "a", "to": "b"}
    assert largest(entry(GAP, num_unmoved=12, largest={**one, "row": 17, "template": None})) == ""
    text = largest(entry(GAP, largest={**one, "row": 17, "template": None}))
    assert text == (
        "Furthest apart: probability of great 0.200 higher with words of the group b than of a, "
        "in row 17."
    )
