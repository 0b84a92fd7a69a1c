"""How a rule with a limit comes out: its evidence, its outcome, what the rows could have shown.

Everything here takes and gives plain data, so that whoever chooses between models (the frontier)
can ask what the gate would say.
"""

from statistics import NormalDist
from typing import Any, Literal

from pipeline.core.errors import ProjectError
from pipeline.core.metrics.measures import COUNTERFACTUAL
from pipeline.core.verdict.gate_rules import POWER, Rule
from pipeline.core.verdict.rule_checks import check_groupings, check_swaps, check_task

Outcome = Literal["pass", "fail", "insufficient", "not_applicable"]
"""Of a rule; of a verdict as well `pass_with_override`."""
Found = dict[str, Any]
_NORMAL = NormalDist()


def decide(rule: Rule, evaluation: Found, assessment: Found, who: str) -> Found:
    """One rule's outcome, with the numbers that it rests on and a sentence that says it."""
    confidence = rule.confidence or float((assessment if rule.by else evaluation)["confidence"])
    found, too_small, why = evidence(rule, evaluation, assessment, who, confidence)
    unexcused = bool(too_small) and rule.accept_small_groups is None
    outcome: Outcome = "insufficient"
    if found is not None:
        outcome = compare(rule, found["low"], found["high"])
        if unexcused and outcome == "pass":
            outcome = "insufficient"
    error = standard_error(found, confidence) if found else None
    return {
        "rule": rule.title,
        "measure": rule.measure,
        "by": rule.by,
        "direction": rule.direction,
        "bound": rule.bound,
        "confidence": confidence,
        "min_group_size": least_group_size(rule, assessment) if rule.compares_groups else None,
        "outcome": outcome,
        "refuses": outcome == "fail" or (outcome != "pass" and rule.insufficient != "warn"),
        "insufficient": rule.insufficient or "refuse",
        "reason": rule.reason,
        "value": found and found["value"],
        "low": found and found["low"],
        "high": found and found["high"],
        "noise_floor": found and found.get("noise_floor"),
        "detectable": found and found.get("detectable"),
        "distance": None if error is None else round(shown_distance(error, confidence), 6),
        "false_refusal": found and round(false_refusal(rule, found, error or 0.0, unexcused), 6),
        "too_small": too_small,
        "accepted_small_groups": rule.accept_small_groups,
        "sentence": why
        or sentence(rule, outcome, found or {}, too_small if unexcused else [], confidence),
        "power": power_sentence(rule, found or {}, error, confidence),
    }


def compare(rule: Rule, low: float, high: float) -> Outcome:
    """Pass when the whole interval keeps the limit, fail when the whole interval breaks it."""
    if rule.direction == "at_least":
        return "pass" if low >= rule.bound else "fail" if high < rule.bound else "insufficient"
    return "pass" if high <= rule.bound else "fail" if low > rule.bound else "insufficient"


def evidence(
    rule: Rule, evaluation: Found, assessment: Found, who: str, confidence: float
) -> tuple[Found | None, list[str], str]:
    """The measured value with its bounds, the groups too small to take part, and, where nothing
    could be measured (None), why."""
    if rule.by is None:
        return metric(rule, evaluation, who, confidence), [], ""
    if rule.measure == COUNTERFACTUAL:
        return swapped(rule, assessment, confidence)
    if not assessment[who]:
        return None, [], f"{rule.subject} could not be measured: no sensitive column was named."
    check_task([rule], assessment.get("task", "binary"))
    check_groupings([rule], tuple(assessment[who]))
    entry = assessment[who][rule.by]
    least = least_group_size(rule, assessment)
    if (confidence, least) == (assessment["confidence"], assessment.get("min_group_size", least)):
        found, too_small = entry["gaps"].get(rule.measure), list(entry["too_small"])
    else:
        found, too_small = measured_anew(rule, entry["groups"], assessment, confidence, least)
    if found is None:
        why = f"{rule.subject} could not be measured: fewer than two groups are large enough."
        return None, too_small, why
    return found, too_small, ""


def swapped(
    rule: Rule, assessment: Found, confidence: float
) -> tuple[Found | None, list[str], str]:
    """How far the model's answer moves by a word list, with its bounds; as `evidence`.

    Raises:
        ProjectError: there is no such list, or no bound of this confidence.
    """
    found = assessment.get("counterfactuals")
    if not found:
        return None, [], f"{rule.subject} could not be measured: no words were swapped."
    check_task([rule], assessment.get("task", "binary"))
    check_swaps([rule], tuple(found["by"]))
    entry = found["by"][rule.by]
    if entry["gap"] is None:
        why = (
            f"{entry['num_touched']} of {entry['num_rows']} test rows have such a word, "
            f"{found['min_texts']} are asked for."
        )
        return None, [], f"{rule.subject} could not be measured: {why}"
    reported = assessment["confidence"]
    bounds = at_confidence(entry["gap"], reported, confidence, rule.title, "assess")
    unread = entry["num_unmoved"] == entry["num_scored"]
    return {**bounds, "unread": unread}, [], ""


def metric(rule: Rule, evaluation: Found, who: str, confidence: float) -> Found:
    """A metric with its bounds at the rule's confidence.

    Raises:
        ProjectError: this metric was not measured, or not with this confidence.
    """
    metrics = evaluation[who]["metrics"]
    check_task([rule], evaluation.get("task", "binary"))
    if rule.measure not in metrics:
        raise ProjectError(
            f"project.yaml: gate.rules: rule `{rule.title}`: expected a metric that `evaluate` "
            f"measures ({', '.join(metrics)})"
        )
    return at_confidence(metrics[rule.measure], evaluation["confidence"], confidence, rule.title)


def at_confidence(
    found: Found, reported: float, confidence: float, title: str, stage: str = "evaluate"
) -> Found:
    """A bootstrapped value with the bounds of another confidence, of those that were kept.

    Raises:
        ProjectError: none were kept of this one.
    """
    if confidence == reported:
        return found
    kept = found.get("bounds", {})
    if f"{confidence:g}" not in kept:
        raise ProjectError(
            f"project.yaml: gate.rules: rule `{title}`: expected a confidence that `{stage}` "
            f"keeps ({', '.join(kept) or f'{reported:g}'}), got {confidence:g}",
            hint=f"or set `{stage}.confidence: {confidence:g}`",
        )
    low, high = kept[f"{confidence:g}"]
    return {**found, "low": low, "high": high}


def least_group_size(rule: Rule, assessment: Found) -> int:
    return rule.min_group_size or int(assessment.get("min_group_size", 1))


def measured_anew(
    rule: Rule, groups: list[Found], assessment: Found, confidence: float, least: int
) -> tuple[Found | None, list[str]]:
    """The gap at the rule's own confidence and least group size, from the groups' counts."""
    from pipeline.core.metrics.gaps import measured

    found = measured(
        groups,
        rule.measure,
        confidence=confidence,
        min_group_size=least,
        num_replicates=assessment["num_replicates"],
        seed=assessment["seed"],
    )
    return found, [group["group"] for group in groups if group["num_rows"] < least]


def standard_error(found: Found, confidence: float) -> float:
    """Of a value with one-sided bounds: the bootstrap's own, else the wider side of the interval
    over the normal quantile. Simultaneous bounds are wider than that, so it errs upwards."""
    if (known := found.get("standard_error")) is not None:
        return float(known)
    half = max(found["high"] - found["value"], found["value"] - found["low"], 0.0)
    return float(half) / _NORMAL.inv_cdf(confidence)


def shown_distance(error: float, confidence: float) -> float:
    """How far from the limit a true value must lie for its side to be shown with probability
    POWER: (z(confidence) + z(POWER)) · standard error.

    Source: J. L. Fleiss, B. Levin, M. C. Paik, Statistical methods for rates and proportions,
    3rd ed., 2003, chapter 4.
    """
    return (_NORMAL.inv_cdf(confidence) + _NORMAL.inv_cdf(POWER)) * error


def false_refusal(rule: Rule, found: Found, error: float, unexcused: bool) -> float:
    """The probability that this rule refuses a model whose true value is the measured one.

    By normal approximation: another test set of this size gives another value with this standard
    error, and a bound at the same distance from it; it refuses where that bound crosses the limit
    (with `insufficient: warn`, where the other bound does).
    """
    warns = rule.insufficient == "warn"
    if unexcused and not warns:
        return 1.0
    upwards = rule.direction == "at_most"
    worse, better = (found["high"], found["low"]) if upwards else (found["low"], found["high"])
    over = ((better if warns else worse) - rule.bound) * (1 if upwards else -1)
    if error == 0:
        return float(over > 0)
    return _NORMAL.cdf(over / error)


def sentence(
    rule: Rule, outcome: Outcome, found: Found, too_small: list[str], confidence: float
) -> str:
    """The outcome in words."""
    bound = found["high"] if rule.direction == "at_most" else found["low"]
    side = "no more than" if rule.direction == "at_most" else "no less than"
    certain = f"with {100 * confidence:g}% confidence {side} {bound:.3f}"
    shown = f"{rule.subject} is {found['value']:.3f}, {certain}"
    if outcome == "pass" and found.get("unread"):
        return f"{rule.subject} is 0: no answer moved, the network does not read these words."
    if outcome == "pass":
        return f"{shown}; the limit of {rule.bound:g} is kept."
    if outcome == "fail":
        return f"{shown}; even the other end of its interval breaks the limit of {rule.bound:g}."
    if too_small:
        return f"{shown}, but too few rows to measure: {', '.join(too_small)}."
    return f"{shown}: these rows cannot show that the limit of {rule.bound:g} is kept."


def power_sentence(rule: Rule, found: Found, error: float | None, confidence: float) -> str:
    """What these rows could have shown, in words."""
    if error is None:
        return "These rows could have shown nothing about it."
    side = "below" if rule.direction == "at_most" else "above"
    text = (
        f"A true value {shown_distance(error, confidence):.3f} {side} the limit would be shown to "
        f"keep it with a probability of {POWER:.0%}"
    )
    if (smallest := found.get("detectable")) is not None:
        kind = "ratio" if rule.measure.endswith("ratio") else "gap"
        which = "largest" if kind == "ratio" else "smallest"
        text += (
            f"; the {which} true {kind} that these groups could tell from none is {smallest:.3f}"
        )
    if (floor := found.get("noise_floor")) is not None:
        stricter = "higher" if rule.direction == "at_least" else "lower"
        text += f"; no limit {stricter} than {floor:.3f} could be passed at all"
    return text + "."
