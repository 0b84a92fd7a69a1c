"""The baseline rule: a model at a hundredth of the cost must be shown to be worse."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.core.errors import ProjectError
from pipeline.core.page.wording import reason, rule_title
from pipeline.core.statistics.intervals import bootstrap, paired_bootstrap
from pipeline.core.verdict.gate_rules import Rule
from pipeline.core.verdict.override_records import Override
from pipeline.core.verdict.whole_training import TITLE
from pipeline.gate.baseline_rule import ratio
from pipeline.gate.stage import verdict
from pipeline.report.training_words import cost, fitted

ASSESSMENT: dict[str, Any] = {"confidence": 0.95, "model": {}, "no_sensitive": "none there"}
TRAINING: dict[str, Any] = {
    "operations": {"training": 2e12},
    "stopped": "patience",
    "num_epochs": 7,
    "best_epoch": 5,
    "settings": {"max_epochs": 80},
}


def evaluation(low: float, high: float, operations: float | None = 1e10) -> dict[str, Any]:
    gain = {"value": (low + high) / 2, "low": low, "high": high, "standard_error": 0.002}
    gain["bounds"] = {"0.99": [low - 0.01, high + 0.01]}  # type: ignore[assignment]
    metrics = {"roc_auc": {"value": 0.9, "low": 0.89, "high": 0.91}}
    baseline = {"name": "a boosting", "metrics": metrics, "gains": {"roc_auc": gain}}
    baseline["operations"] = operations  # type: ignore[assignment]
    return {"confidence": 0.95, "model": {"metrics": metrics}, "baseline": baseline}


def decided(measured: dict[str, Any], **rule: Any) -> dict[str, Any]:
    rules = (Rule(measure="roc_auc", against="baseline", **rule),)
    return verdict(rules, measured, ASSESSMENT, training=TRAINING)


@pytest.mark.parametrize(
    ("low", "high", "outcome", "said"),
    [
        (0.001, 0.004, "pass", "takes 1/200 of the arithmetic to train and is shown to be worse"),
        (-0.001, 0.004, "insufficient", "1/200 of the arithmetic to train and is as good within"),
        (-0.004, -0.001, "fail", "1/200 of the arithmetic to train and is shown to be at least as"),
    ],
)
def test_as_good_within_the_interval_refuses(
    low: float, high: float, outcome: str, said: str
) -> None:
    found = decided(evaluation(low, high))
    (rule,) = found["rules"]
    assert (rule["outcome"], rule["refuses"]) == (outcome, outcome != "pass")
    assert said in rule["sentence"]
    assert f"({low:+.4f} to {high:+.4f})" in rule["sentence"]
    assert found["outcome"] == outcome


def test_a_rules_own_confidence_takes_the_bounds_that_were_kept() -> None:
    assert decided(evaluation(0.001, 0.004), confidence=0.99)["outcome"] == "insufficient"
    with pytest.raises(ProjectError, match="expected a confidence that `evaluate` keeps"):
        decided(evaluation(0.001, 0.004), confidence=0.93)


def test_a_baseline_that_is_not_cheap_makes_the_rule_not_applicable() -> None:
    found = decided(evaluation(-0.004, -0.001, operations=4e10))
    assert found["rules"][0]["outcome"] == "not_applicable"
    assert found["outcome"] == "pass"
    assert found["cheap_model"]["is_cheap"] is False
    strict = decided(evaluation(-0.004, -0.001, operations=4e10), cost_share=0.05)
    assert strict["outcome"] == "fail"


def test_a_cost_that_was_not_counted_is_no_evidence() -> None:
    found = decided(evaluation(0.001, 0.004, operations=None))
    assert found["rules"][0]["sentence"].endswith("takes to train was not counted.")
    assert (found["outcome"], found["cheap_model"]) == ("insufficient", None)
    warned = decided(evaluation(-0.1, 0.1), insufficient="warn", reason="we want a network")
    assert warned["rules"][0]["refuses"] is False


def test_the_verdict_says_it_without_a_rule() -> None:
    rule = Rule(measure="roc_auc", at_least=0.5)
    found = verdict((rule,), evaluation(-0.001, 0.002), ASSESSMENT, training=TRAINING)
    cheap = found["cheap_model"]
    assert (cheap["share"], cheap["is_cheap"], cheap["as_good"]) == (0.005, True, True)
    assert found["outcome"] == "pass"
    told = cost(TRAINING, found)
    assert told[0].startswith("Training took 2 trillion multiplications")
    assert told[-1].startswith("So by this measure a model at a hundredth of the cost or less is")


def test_the_verdict_says_where_the_baseline_does_not_keep_the_rules() -> None:
    measured = evaluation(-0.001, 0.002)
    measured["baseline"]["metrics"] = {"roc_auc": {"value": 0.4, "low": 0.3, "high": 0.45}}
    found = verdict((Rule(measure="roc_auc", at_least=0.5),), measured, ASSESSMENT, (), TRAINING)
    assert found["cheap_model"]["sentence"].endswith("It does not pass this gate’s other rules.")


def test_it_has_a_name_for_people() -> None:
    (rule,) = decided(evaluation(0.001, 0.004))["rules"]
    assert rule["rule"] == "roc_auc against baseline, at a cost of 0.01"
    assert rule_title(rule).endswith("no model at a hundredth of the cost is as good")
    assert reason(rule) == rule["sentence"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"against": "baseline", "margin": 0.01}, "expected no `margin` in a rule against the"),
        ({"against": "baseline", "by": "sex"}, "expected no `by` in a rule against the baseline"),
        ({"at_least": 0.5, "cost_share": 0.1}, "expected no `cost_share` without"),
        ({"against": "baseline", "cost_share": 2}, "less than or equal to 1"),
    ],
)
def test_a_rule_of_another_form_is_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Rule(measure="roc_auc", **rule)


def test_a_measure_of_another_task_is_refused() -> None:
    with pytest.raises(ProjectError, match="expected a measure of the task binary, got r2"):
        verdict((Rule(measure="r2", against="baseline"),), evaluation(0, 1), ASSESSMENT)


CUT = {**TRAINING, "stopped": "budget"}


def test_a_training_cut_short_is_said_and_refused_where_the_gate_insists() -> None:
    rules = (Rule(measure="roc_auc", at_least=0.5),)
    measured = evaluation(0.001, 0.004)
    lenient = verdict(rules, measured, ASSESSMENT, training=CUT)
    assert lenient["outcome"] == "pass"
    assert lenient["cut_short"].startswith(
        "Training was cut short: its budget was used up in epoch 7 of at most 80; the weights of "
        "epoch 5"
    )
    strict = verdict(rules, measured, ASSESSMENT, training=CUT, whole_training=True)
    assert strict["outcome"] == "fail"
    assert strict["rules"][-1]["sentence"] == lenient["cut_short"]
    assert cost(CUT, strict)[0] == lenient["cut_short"]
    whole = verdict(rules, measured, ASSESSMENT, training=TRAINING, whole_training=True)
    assert (whole["outcome"], whole["cut_short"]) == ("pass", None)
    assert (
        rule_title(whole["rules"][-1]) == "Training came to its own end, not to that of its budget"
    )
    report = {**CUT, "num_parameters": 1, "num_train_rows": 2}
    assert "training was cut short when its budget was used up" in fitted(report)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"method": "adversarial", "num_epochs": 3, "best_epoch": 2},
            "by epoch 3 against the adversary; the weights of its epoch 2, the best until then",
        ),
        (
            {"method": "grid_search", "num_members_fitted": 4},
            "with 4 networks of grid_search; the model is made of these",
        ),
    ],
)
def test_a_mitigated_training_cut_short_says_where(facts: dict[str, Any], words: str) -> None:
    found = verdict((), evaluation(0, 1), ASSESSMENT, training={**CUT, "mitigation": facts})
    assert f"its budget was used up {words}" in found["cut_short"]


def test_it_can_be_overridden_by_its_title() -> None:
    from datetime import date

    signed = date(2026, 1, 1)
    override = Override(rule=TITLE, name="A", reason="b", signed=signed, until=date(2026, 2, 1))
    found = verdict((), evaluation(0, 1), ASSESSMENT, (override,), CUT, whole_training=True)
    assert found["outcome"] == "pass_with_override"


@pytest.mark.parametrize(
    ("share", "words"), [(0.005, "1/200"), (1 / 661, "1/661"), (0.37, "0.37"), (2.13, "2.1 times")]
)
def test_shares_are_said_as_people_do(share: float, words: str) -> None:
    assert ratio(share) == words


def test_a_gain_is_paired_and_turned_to_where_more_is_better() -> None:
    """Model and baseline miss the same rows and one more: its bounds are those of that row."""
    import numpy as np

    ours = np.array([1.0] * 90 + [0.0] * 10)
    theirs = np.array([1.0] * 89 + [0.0] * 11)

    def of(hits: Any) -> Any:
        return lambda weights: {
            "accuracy": float(weights @ hits / weights.sum()),
            "error": float(1 - weights @ hits / weights.sum()),
        }

    settings: dict[str, Any] = {"confidence": 0.95, "num_replicates": 200, "seed": 3}
    first, second, gain = paired_bootstrap(
        of(ours), of(theirs), {"accuracy": True, "error": False}, 100, **settings
    )
    assert first == bootstrap(of(ours), 100, **settings)
    assert second == bootstrap(of(theirs), 100, **settings)
    assert gain["accuracy"].value == pytest.approx(0.01)
    assert gain["error"].value == pytest.approx(0.01)
    assert 0 <= gain["accuracy"].low <= gain["accuracy"].high <= 0.04
