"""A rule of the gate that rests on no measure: what the verdict says of it."""

from typing import Any


def decided(
    title: str, outcome: str, sentence: str, false_refusal: float | None = None
) -> dict[str, Any]:
    """Its entry in the verdict, with the keys of every rule's; it refuses unless it passes.

    Args:
        title: Of the rule, by which it is overridden.
        outcome: `pass`, `fail` or `insufficient`.
        sentence: The outcome in words.
        false_refusal: How often it would refuse by chance.
    """
    return {
        "rule": title,
        "measure": title,
        "by": None,
        "direction": "at_least",
        "bound": 1.0,
        "confidence": None,
        "min_group_size": None,
        "outcome": outcome,
        "refuses": outcome != "pass",
        "insufficient": "refuse",
        "reason": None,
        "value": None,
        "low": None,
        "high": None,
        "noise_floor": None,
        "detectable": None,
        "distance": None,
        "false_refusal": false_refusal,
        "too_small": [],
        "accepted_small_groups": None,
        "sentence": sentence,
        "power": "",
        "baseline": None,
    }
