"""How decisions are made, in words for the card: one sentence for each way."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.page import wording

LIKE = {
    "demographic_parity": "selection rates",
    "equalized_odds": "shares of outcomes found and of false alarms",
    "true_positive_rate_parity": "shares of outcomes found",
    "false_positive_rate_parity": "shares of false alarms",
}
"""What a constraint compares between groups."""
MAXIMISED = {
    "accuracy": "the most right decisions",
    "balanced_accuracy": "the best balanced accuracy",
}


def threshold(policy: Mapping[str, Any]) -> str:
    """From which probability on the decision is positive, and what that was chosen for."""
    best = MAXIMISED[policy["maximise"]]
    if policy.get("by_group"):
        return (
            "The model gives each case a probability, and decides by the thresholds of the case’s "
            f"group. They were chosen on rows of their own for {best} under a limit on the gap "
            f"between groups. Where a group has none, the decision is positive from "
            f"{100 * policy['threshold']:.0f}% on."
        )
    limited = " under a limit on the gap between groups" if policy.get("mitigation") else ""
    return (
        f"The model gives each case a probability, and decides positive from "
        f"{100 * policy['threshold']:.0f}% on. That threshold was chosen on rows of its own for "
        f"{best}{limited}."
    )


def after_training(policy: Mapping[str, Any]) -> str:
    """What was done between the network's output and the decision."""
    temperature = (
        f"Logits are divided by {policy['temperature']:.2f} (temperature scaling), so that "
        "probabilities agree with frequencies."
    )
    mitigation = policy.get("mitigation")
    if not mitigation:
        return temperature
    write = _by_group if policy.get("by_group") else _constrained
    return f"{temperature} {write(mitigation)}"


def needs(policy: Mapping[str, Any], features: Sequence[str]) -> str:
    """What must be known of a case for its decision; empty where nothing must beyond features."""
    if not policy.get("by_group"):
        return ""
    columns = list(policy["by_group"]["columns"])
    alone = set(columns).isdisjoint(features)
    by = wording.listed(columns)
    return (
        f"The decisions use {by}: whoever asks for one must say it with every case. Each group has "
        "thresholds of its own, and between its two thresholds chance decides, the same way each "
        "time for the same case. So two cases that differ in nothing else can be decided "
        "differently."
        f"{' The probability does not change with them.' if alone else ''}"
    )


def _constrained(mitigation: Mapping[str, Any]) -> str:
    by = wording.listed(list(mitigation["columns"]))
    return (
        f"One threshold for everybody (constrained_threshold), with a gap in "
        f"{LIKE[mitigation['constraint']]} by {by} whose upper bound is at most "
        f"{mitigation['at_most']:g}: {_changed(mitigation)}. No sensitive column is needed to "
        "decide."
    )


def _by_group(mitigation: Mapping[str, Any]) -> str:
    by = wording.listed(list(mitigation["columns"]))
    like = LIKE[mitigation["constraint"]]
    within = "equal" if mitigation["at_most"] is None else f"within {mitigation['at_most']:g}"
    found = (
        f"Thresholds for each group by {by} (threshold_optimizer), chosen to make {like} {within}: "
        f"{_changed(mitigation)}. Of these rows, {mitigation['num_randomised']:,} were decided by "
        "chance."
    )
    small = [name for names in mitigation["too_small"].values() for name in names]
    if small:
        found += (
            f" Too few rows for thresholds of their own, and decided by the one for everybody: "
            f"{wording.listed(small)} ({wording.count(mitigation['num_fallback'], 'row')})."
        )
    return found


def _changed(mitigation: Mapping[str, Any]) -> str:
    """`on the calibration rows the gap by sex went from 0.168 to 0.069, accuracy from …`."""
    before, after = mitigation["before"], mitigation["after"]
    gaps = [
        f"the gap by {by} went from {before['gaps'][by]['value']:.3f} to {gap['value']:.3f}"
        for by, gap in after["gaps"].items()
    ]
    accuracy = f"accuracy from {before['accuracy']:.3f} to {after['accuracy']:.3f}"
    return f"on the calibration rows {', '.join(gaps)}, {accuracy}"
