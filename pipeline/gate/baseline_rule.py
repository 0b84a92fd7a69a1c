"""The baseline rule: a model that costs a hundredth must not be as good within the interval.

Cost is the arithmetic of training (`core.prediction.operations`), so that a verdict is the same on
every machine. Quality is the paired difference on the test rows, from resamples that both models
share.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.core.verdict.deciding import Found, at_confidence, false_refusal, shown_distance
from pipeline.core.verdict.gate_rules import COST_SHARE, POWER, Rule
from pipeline.core.verdict.override_records import PASS
from pipeline.core.verdict.rule_checks import check_task

MAIN = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "mean_absolute_error"}
"""The measure by which the verdict tells whether the baseline is as good, by task."""
Counts = Mapping[str, Any]


def share_of_cost(evaluation: Found, training: Counts) -> float | None:
    """The baseline's operations over the model's; None where one of them is not counted."""
    ours = (training.get("operations") or {}).get("training")
    theirs = evaluation["baseline"].get("operations")
    return None if not ours or theirs is None else float(theirs) / float(ours)


def decide_against_baseline(rule: Rule, evaluation: Found, training: Counts) -> Found:
    """One rule's outcome: pass where the model is shown to be better, or the baseline is not cheap.

    Raises:
        ProjectError: the rule's measure is of another task, or its confidence was not kept.
    """
    check_task([rule], evaluation.get("task", "binary"))
    confidence = rule.confidence or float(evaluation["confidence"])
    share, limit = share_of_cost(evaluation, training), rule.cost_share or COST_SHARE
    found: Found = {"value": None, "low": None, "high": None}
    outcome, words = "insufficient", ""
    if (gains := evaluation["baseline"].get("gains")) is None or share is None:
        words = "What the model or the baseline takes to train was not counted."
    elif share > limit:
        outcome = "not_applicable"
        words = f"Not applicable: the baseline’s training takes {ratio(share)} of the arithmetic."
    else:
        reported = float(evaluation["confidence"])
        found = at_confidence(gains[rule.measure], reported, confidence, rule.title)
        outcome = "pass" if found["low"] > 0 else "fail" if found["high"] <= 0 else "insufficient"
        words = sentence(rule.measure, evaluation, found, share, outcome)
    error = found.get("standard_error")
    distance = None if error is None else round(shown_distance(error, confidence), 6)
    return {
        "rule": rule.title,
        "measure": rule.measure,
        "by": None,
        "against": rule.against,
        "margin": 0.0,
        "version": None,
        "num_rows": evaluation.get("num_rows"),
        "direction": "at_least",
        "bound": 0.0,
        "confidence": confidence,
        "min_group_size": None,
        "insufficient": rule.insufficient or "refuse",
        "reason": rule.reason,
        "value": found["value"],
        "low": found["low"],
        "high": found["high"],
        "noise_floor": None,
        "detectable": None,
        "distance": distance,
        "false_refusal": None
        if found["value"] is None
        else round(false_refusal(rule, found, error or 0.0, False), 6),
        "too_small": [],
        "accepted_small_groups": None,
        "groups": [],
        "power": ""
        if distance is None
        else f"A gain of {distance:.3f} would be shown with a probability of {POWER:.0%}.",
        "outcome": outcome,
        "sentence": words,
        "refuses": outcome == "fail" or (outcome == "insufficient" and rule.insufficient != "warn"),
    }


def cheap_model(evaluation: Found, training: Counts, baseline_outcome: str) -> Found | None:
    """What the verdict says of the baseline's cost and quality, whether a rule asks or not; None
    where it was not counted.

    Args:
        evaluation: Of both models.
        training: Of the model.
        baseline_outcome: Of the baseline under the gate's rules.
    """
    measure = MAIN[evaluation.get("task", "binary")]
    share = share_of_cost(evaluation, training)
    gain = (evaluation["baseline"].get("gains") or {}).get(measure)
    if share is None or gain is None:
        return None
    outcome = "pass" if gain["low"] > 0 else "fail" if gain["high"] <= 0 else "insufficient"
    return {
        "measure": measure,
        "share": float(f"{share:.3g}"),
        "is_cheap": share <= COST_SHARE,
        "as_good": outcome != "pass",
        "operations": training["operations"]["training"],
        "baseline_operations": evaluation["baseline"]["operations"],
        "gain": {key: gain[key] for key in ("value", "low", "high")},
        "sentence": sentence(measure, evaluation, gain, share, outcome)
        + ("" if baseline_outcome == PASS else " It does not pass this gate’s other rules."),
    }


def sentence(measure: str, evaluation: Found, gain: Found, share: float, outcome: str) -> str:
    """How a model that costs less does on the same rows."""
    name = evaluation["baseline"]["name"]
    who = f"The baseline, {name}, takes {ratio(share)} of the arithmetic to train"
    span = (
        f"the model gains {gain['value']:+.4f} in {measure} "
        f"({gain['low']:+.4f} to {gain['high']:+.4f})"
    )
    if outcome == "pass":
        return f"{who} and is shown to be worse: {span}."
    if outcome == "fail":
        return f"{who} and is shown to be at least as good: {span}."
    return f"{who} and is as good within the interval: {span}."


def ratio(share: float) -> str:
    """`1/180` of a cost, `0.37` of it, `2.1 times`."""
    if share > 1:
        return f"{share:.2g} times"
    return f"1/{1 / share:,.0f}" if share < 0.1 else f"{share:.2g}"
