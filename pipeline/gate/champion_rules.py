"""How a rule `against: champion` comes out: no worse than the live model, overall or in any group.

The logic, and why an undecided group refuses only with power, is in
docs/decisions/0013-against-the-champion.md.
"""

import math
from statistics import NormalDist

from pipeline.core.statistics.paired import bounds, error_of, power
from pipeline.core.verdict.deciding import Found, Outcome, at_confidence, standard_error
from pipeline.core.verdict.gate_rules import POWER, Rule
from pipeline.core.verdict.rule_checks import check_groupings, check_task

_NORMAL = NormalDist()
LACKS_POWER = (
    "These rows could not have shown a loss of this margin in these groups, and none is shown; by "
    "default that does not refuse (`insufficient: refuse` would)."
)
LOSSES = {
    "mean_absolute_error": "predictions are further off now",
    "accuracy": "fewer decisions are right now",
    "selection_rate": "fewer are selected now",
    "true_positive_rate": "fewer true outcomes are found now",
    "false_positive_rate": "there are more false alarms now",
}
NAMES = {
    "mean_absolute_error": "the mean absolute error",
    "accuracy": "the share of right decisions",
    "selection_rate": "the selection rate",
    "true_positive_rate": "the true positive rate",
    "false_positive_rate": "the false positive rate",
}


def decide_against(rule: Rule, evaluation: Found) -> Found:
    """One rule's outcome, with the numbers that it rests on and a sentence that says it.

    Raises:
        ProjectError: the rule's measure is of another task; also where there is no champion yet.
    """
    check_task([rule], evaluation.get("task", "binary"))
    champion = evaluation["champion"]
    confidence = rule.confidence or float(evaluation["confidence"])
    if champion["outcome"] != "compared":
        found = uncompared(champion)
    elif rule.by is None:
        found = overall(rule, champion, confidence)
    else:
        found = by_group(rule, champion, confidence)
    outcome = found["outcome"]
    warns = rule.insufficient == "warn" or (rule.insufficient is None and found.get("lacks_power"))
    return {
        "rule": rule.title,
        "measure": rule.measure,
        "by": rule.by,
        "against": rule.against,
        "margin": rule.margin,
        "version": champion.get("version"),
        "num_rows": champion.get("num_rows"),
        "direction": rule.direction,
        "bound": rule.bound,
        "confidence": confidence,
        "min_group_size": rule.min_group_size,
        "insufficient": rule.insufficient or "refuse",
        "reason": rule.reason or (LACKS_POWER if warns else None),
        "value": None,
        "low": None,
        "high": None,
        "noise_floor": None,
        "detectable": None,
        "distance": None,
        "false_refusal": None,
        "too_small": [],
        "accepted_small_groups": rule.accept_small_groups,
        "groups": [],
        "power": "",
        **{key: value for key, value in found.items() if key != "lacks_power"},
        "refuses": outcome == "fail" or (outcome == "insufficient" and not warns),
    }


def uncompared(champion: Found) -> Found:
    """No champion; one that cannot be read; one that was trained on every test row."""
    if champion["outcome"] == "none":
        words = (
            "Not applicable: no model of this project is live, so there is none to lose against."
        )
        return {"outcome": "not_applicable", "sentence": words}
    if champion["outcome"] == "no_rows":
        words = (
            f"Not compared: version {champion['version']}, the champion, was trained on every one "
            "of these test rows."
        )
        return {"outcome": "insufficient", "sentence": words}
    if champion["outcome"] == "not_compared":
        return {"outcome": "insufficient", "sentence": f"Not compared: {champion['note']}."}
    words = "Not compared: a model is live, but its files could not be read."
    return {"outcome": "insufficient", "sentence": words}


def overall(rule: Rule, champion: Found, confidence: float) -> Found:
    """The whole paired gain against the margin: its lower bound must lie above -margin."""
    reported = float(champion["confidence"])
    gain = at_confidence(champion["gains"][rule.measure], reported, confidence, rule.title)
    margin, error = -rule.bound, standard_error(gain, confidence)
    outcome = compare(gain["low"], gain["high"], margin)
    over = -margin - (gain["high"] if rule.insufficient == "warn" else gain["low"])
    distance = (_NORMAL.inv_cdf(confidence) + _NORMAL.inv_cdf(POWER)) * error
    return {
        "outcome": outcome,
        "value": gain["value"],
        "low": gain["low"],
        "high": gain["high"],
        "distance": round(distance, 6),
        "false_refusal": round(chance(over, error), 6),
        "sentence": overall_sentence(rule, champion, gain, outcome, confidence),
        "power": (
            f"A loss of {distance:.3f} against a champion that is as good would be shown with a "
            f"probability of {POWER:.0%}."
        ),
    }


def compare(low: float, high: float, margin: float) -> Outcome:
    """Pass when a loss of the margin is excluded, fail when a larger one is shown."""
    return "pass" if low > -margin else "fail" if high < -margin else "insufficient"


def chance(over: float, error: float) -> float:
    """The probability that another test set's bound lies beyond the limit, which this one's is
    `over` beyond."""
    if math.isinf(over):  # there were too few rows for a bound
        return float(over > 0)
    return float(over > 0) if error == 0 else _NORMAL.cdf(over / error)


def by_group(rule: Rule, champion: Found, confidence: float) -> Found:
    """Every group by itself: a shown loss refuses; an undecided one where there was the power."""
    check_groupings([rule], tuple(champion["by"]))
    if not champion["by"]:
        words = f"{rule.subject} could not be measured: no sensitive column was named."
        return {"outcome": "insufficient", "sentence": words}
    least = rule.min_group_size or 1
    entries = champion["by"][rule.by]
    small = [entry["group"] for entry in entries if entry["num_rows"] < least]
    groups = [of_group(rule, entry, confidence) for entry in entries if entry["num_rows"] >= least]
    outcomes = [group["outcome"] for group in groups]
    outcome: Outcome = "pass"
    if "fail" in outcomes:
        outcome = "fail"
    elif "insufficient" in outcomes or (small and rule.accept_small_groups is None) or not groups:
        outcome = "insufficient"
    worst = min(groups, key=_worst_first, default=None)
    shown = ("value", "low", "high")
    return {
        "outcome": outcome,
        "lacks_power": outcome == "insufficient" and not small,
        **{key: worst and worst[key] for key in shown},
        "false_refusal": round(1 - math.prod(1 - group["false_refusal"] for group in groups), 6),
        "groups": groups,
        "too_small": small,
        "sentence": groups_sentence(rule, champion, groups, small, outcome, confidence),
        "power": power_sentence(rule, groups),
    }


def _worst_first(group: Found) -> tuple[int, float]:
    order = {"fail": 0, "insufficient": 1, "pass": 2}
    return order[group["outcome"]], -math.inf if group["low"] is None else group["low"]


def of_group(rule: Rule, entry: Found, confidence: float) -> Found:
    """One group's outcome.

    Pass: a loss of the margin is excluded. Fail: a larger one is shown, or it is undecided
    although the rows had the power. Insufficient: undecided, and they had not.
    """
    gain = entry["gains"][rule.measure]
    margin = -rule.bound
    low, high = bounds(gain, confidence)
    could_show = power(gain, margin, confidence)
    decided = compare(low, high, margin)
    able = could_show >= (rule.power or POWER)
    strict = able or rule.insufficient == "refuse"
    return {
        "group": entry["group"],
        "num_rows": gain["num_rows"],
        "value": gain["value"],
        "low": round(low, 6) if math.isfinite(low) else None,
        "high": round(high, 6) if math.isfinite(high) else None,
        "power": round(could_show, 4),
        "shown": decided == "fail",
        "outcome": "fail" if decided == "insufficient" and able else decided,
        "false_refusal": round(
            chance(-margin - (low if strict else high), error_of(gain, confidence)), 6
        ),
    }


def overall_sentence(
    rule: Rule, champion: Found, gain: Found, outcome: Outcome, confidence: float
) -> str:
    rows = f"{champion['num_rows']:,} test rows that version {champion['version']} never saw"
    text = (
        f"On {rows}, the new model gains {gain['value']:+.4f} in {rule.measure}, with "
        f"{100 * confidence:g}% confidence no less than {gain['low']:+.4f}"
    )
    margin = f"{-rule.bound:g}"
    if outcome == "pass":
        return f"{text}: a loss of {margin} is excluded."
    if outcome == "fail":
        return f"{text}: a loss of more than {margin} is shown (at best {gain['high']:+.4f})."
    return f"{text}: these rows cannot exclude a loss of {margin}."


def groups_sentence(
    rule: Rule,
    champion: Found,
    groups: list[Found],
    small: list[str],
    outcome: Outcome,
    confidence: float,
) -> str:
    """Who loses, in words: `version 3 was better for Female: …`."""
    version, measure = champion["version"], NAMES[rule.measure]
    margin = f"{-rule.bound:g}"
    parts = []
    for group in groups:
        rows = f"{group['num_rows']:,} rows"
        if group["shown"]:
            parts.append(
                f"version {version} was better for {group['group']}: {LOSSES[rule.measure]}, by "
                f"{-group['value']:.3f} (with {100 * confidence:g}% confidence by at least "
                f"{-group['high']:.3f}, more than the margin of {margin}; {rows})"
            )
        elif group["outcome"] == "fail":
            parts.append(
                f"version {version} may have been better for {group['group']}: {measure} gains "
                f"{group['value']:+.3f}, at worst {group['low']:+.3f}, and these {rows} would have "
                f"shown a loss of {margin} with a probability of {group['power']:.0%}"
            )
    unclear = [
        f"{group['group']} ({group['num_rows']:,} rows, power {group['power']:.0%})"
        for group in groups
        if group["outcome"] == "insufficient"
    ]
    if unclear:
        parts.append(f"too few rows to tell whether {margin} is lost for {', '.join(unclear)}")
    if small:
        parts.append(f"not compared, too few rows: {', '.join(small)}")
    if not parts:
        return (
            f"For no group by {rule.by} is {measure} worse than version {version}’s by {margin} or "
            f"more ({champion['num_rows']:,} test rows that it never saw)."
        )
    text = "; ".join(parts)
    rest = "" if outcome == "fail" else ", and no loss is shown"
    return f"{text[0].upper()}{text[1:]}{rest}."


def power_sentence(rule: Rule, groups: list[Found]) -> str:
    said = ", ".join(f"{group['group']} {group['power']:.0%}" for group in groups)
    return (
        f"The probability that these rows show a loss of {-rule.bound:g}, by group: {said} "
        f"(undecided refuses from {rule.power or POWER:.0%} on)."
    )
