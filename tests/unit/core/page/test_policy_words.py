"""What the card says of decisions: one sentence for each way."""

from typing import Any

from pipeline.core.page import policy_words

PLAIN: dict[str, Any] = {"temperature": 1.25, "threshold": 0.4, "maximise": "accuracy"}
CONSTRAINED = {
    **PLAIN,
    "mitigation": {
        "method": "constrained_threshold",
        "constraint": "true_positive_rate_parity",
        "columns": ["sex", "race"],
        "at_most": 0.1,
        "before": {
            "accuracy": 0.85,
            "gaps": {"sex": {"value": 0.168}, "race": {"value": 0.05}},
        },
        "after": {
            "accuracy": 0.846,
            "gaps": {"sex": {"value": 0.014}, "race": {"value": 0.04}},
        },
    },
}


def test_a_plain_threshold() -> None:
    assert "from 40% on" in policy_words.threshold(PLAIN)
    assert "for the most right decisions." in policy_words.threshold(PLAIN)
    assert policy_words.after_training(PLAIN) == (
        "Logits are divided by 1.25 (temperature scaling), so that probabilities agree with "
        "frequencies."
    )


def test_a_constrained_threshold_says_limit_and_what_changed() -> None:
    assert "under a limit on the gap between groups" in policy_words.threshold(CONSTRAINED)
    found = policy_words.after_training(CONSTRAINED)
    assert (
        "with a gap in shares of outcomes found by sex and race whose upper bound is at most 0.1"
        in found
    )
    assert "the gap by sex went from 0.168 to 0.014" in found
    assert "accuracy from 0.850 to 0.846" in found
    assert "No sensitive column is needed to decide." in found


BY_GROUP = {
    **PLAIN,
    "by_group": {"columns": ["sex", "age"], "edges": {}, "salt": "0", "groups": {}},
    "mitigation": {
        **CONSTRAINED["mitigation"],
        "method": "threshold_optimizer",
        "columns": ["sex", "age"],
        "at_most": None,
        "num_randomised": 1718,
        "num_fallback": 1,
        "too_small": {"sex × age": {"F × old": 1}},
    },
}


def test_thresholds_by_group_say_what_they_need_and_who_has_none() -> None:
    found = policy_words.after_training(BY_GROUP)
    assert "Thresholds for each group by sex and age (threshold_optimizer)" in found
    assert "to make shares of outcomes found equal: on the calibration rows the gap by" in found
    assert "Of these rows, 1,718 were decided by chance." in found
    assert "decided by the one for everybody: F × old (1 row)." in found
    assert "thresholds of the case’s group" in policy_words.threshold(BY_GROUP)
    assert "Where a group has none, the decision is positive from 40% on." in (
        policy_words.threshold(BY_GROUP)
    )


def test_what_a_decision_needs_is_said_first() -> None:
    assert policy_words.needs(PLAIN, ()) == ""
    assert policy_words.needs(CONSTRAINED, ()) == ""
    found = policy_words.needs(BY_GROUP, ("hours",))
    assert found.startswith("The decisions use sex and age: whoever asks for one must say it")
    assert found.endswith("The probability does not change with them.")
    assert "probability" not in policy_words.needs(BY_GROUP, ("age",))
