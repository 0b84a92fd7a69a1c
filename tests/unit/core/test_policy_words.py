"""What the card says of decisions: one sentence for each way."""

from typing import Any

from pipeline.core import policy_words

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
