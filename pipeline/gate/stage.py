"""Decide on the evidence: every rule passes, fails, or has not enough evidence.

Reads: evaluate/report.json, assess/report.json, train/report.json, overrides.json.
Writes: verdict.json.
Refuses when: a rule names a measure or a grouping that was not measured; an override is not whole.
A verdict against the model is no refusal here: this stage always writes its verdict, and packaging
decides on it.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import Field, field_validator

from pipeline.core.files import read_json, write_json
from pipeline.core.metrics.measures import COUNTERFACTUAL
from pipeline.core.paths import Paths
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.verdict.deciding import Outcome, compare, decide
from pipeline.core.verdict.gate_rules import Rule
from pipeline.core.verdict.override_records import (
    PASS,
    PASS_WITH_OVERRIDE,
    Override,
    as_dict,
    overridden,
    read_overrides,
)
from pipeline.core.verdict.sensitive_named import decide_named
from pipeline.core.verdict.whole_training import cut_short, decide_whole
from pipeline.gate.baseline_rule import cheap_model, decide_against_baseline
from pipeline.gate.champion_rules import decide_against

SECTIONS = ()

__all__ = ["Outcome", "Rule", "Settings", "compare", "false_refusals", "run", "total", "verdict"]


class Settings(Frozen):
    rules: tuple[Rule, ...] = Field(default=())
    """What a model must show; each decides on the one-sided bound that lies towards its limit."""

    whole_training: bool = False
    """Whether a training that its budget cut short is refused; the verdict says it in any case."""

    @field_validator("rules")
    @classmethod
    def _each_once(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        titles = [rule.title for rule in rules]
        for title in titles:
            if titles.count(title) > 1:
                raise ValueError(f"expected each rule once, found `{title}` again")
        return rules


def run(project: Project[Settings], paths: Paths) -> None:
    evaluation = read_json(paths.input("evaluate", "report.json"))
    assessment = read_json(paths.input("assess", "report.json"))
    training = read_json(paths.input("train", "report.json"))
    overrides, settings = read_overrides(paths.home), project.settings
    found = verdict(
        settings.rules, evaluation, assessment, overrides, training, settings.whole_training
    )
    write_json(paths.output("verdict.json"), found)


def verdict(
    rules: tuple[Rule, ...],
    evaluation: dict[str, Any],
    assessment: dict[str, Any],
    overrides: tuple[Override, ...] = (),
    training: Mapping[str, Any] = MappingProxyType({}),
    whole_training: bool = False,
) -> dict[str, Any]:
    """The outcome of each rule and in total, for the model and, for comparison, the baseline.

    An override lets the rule that it names be broken; the rule's own outcome stays as it is. Where
    no sensitive column is named, and no reason for that, a rule of its own refuses.
    """
    decided: list[dict[str, Any]] = []
    for rule in rules:
        if rule.against == "champion":
            decided.append({**decide_against(rule, evaluation), "baseline": None})
            continue
        if rule.against == "baseline":
            one = decide_against_baseline(rule, evaluation, training)
            decided.append({**one, "baseline": None})
            continue
        ours = decide(rule, evaluation, assessment, "model")
        if rule.measure == COUNTERFACTUAL:  # the baseline's texts are not swapped
            decided.append({**ours, "baseline": None})
            continue
        theirs = decide(rule, evaluation, assessment, "baseline")
        shown = ("outcome", "refuses", "value", "low", "high")
        decided.append({**ours, "baseline": {key: theirs[key] for key in shown}})
    if unnamed := decide_named(assessment):
        decided.append(unnamed)
    if whole_training:
        decided.append(decide_whole(training))
    baseline_outcome = total([rule["baseline"] for rule in decided if rule["baseline"]])
    used = []
    for one in decided:
        record = overridden(one, overrides)
        one["overridden"] = record and as_dict(record)
        used += [one["overridden"]] if record else []
    return {
        "outcome": total(decided),
        "overrides": used,
        "no_sensitive": assessment.get("no_sensitive"),
        "cut_short": cut_short(training),
        "cheap_model": cheap_model(evaluation, training, baseline_outcome),
        "confidence": evaluation["confidence"],
        "false_refusals": false_refusals(decided),
        "rules": decided,
        "baseline_outcome": baseline_outcome,
    }


def total(decided: Sequence[dict[str, Any]]) -> str:
    """Fail if a rule fails; pass if none refuses and one has something to say for the model; else
    insufficient: a rule that only warns speaks for nothing. Rules that are overridden refuse
    nothing, and make of a pass a `pass_with_override`."""
    refusing = [rule["outcome"] for rule in decided if rule["refuses"] and not _waived(rule)]
    if "fail" in refusing:
        return "fail"
    spoken = any(rule["outcome"] != "insufficient" or _waived(rule) for rule in decided)
    if refusing or not spoken:
        return "insufficient"
    return PASS_WITH_OVERRIDE if any(map(_waived, decided)) else PASS


def _waived(rule: dict[str, Any]) -> bool:
    return bool(rule.get("overridden"))


def false_refusals(decided: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How often these rules together refuse a model that is as it was measured.

    Each rule lets a model that breaks its limit pass in at most 1 - confidence of test sets, and
    all of them together no more often: nothing is corrected for their number. The price is paid on
    the other side. With p the probability that one rule refuses although its true value is the
    measured one (see `pipeline.core.verdict.deciding.false_refusal`), all together do so with
    1 - Π(1 - p) if they were independent, and with Σp at the very most. A rule that could not be
    measured and refuses does so with every test set of this kind.
    """
    unmeasured = sum(rule["refuses"] and rule.get("false_refusal") is None for rule in decided)
    if unmeasured:
        return {
            "num_rules": len(decided),
            "estimate": 1.0,
            "at_most": 1.0,
            "sentence": (
                f"{unmeasured} of {len(decided)} rules could not be measured and refuse any model "
                "on such rows, whatever its true values are."
            ),
        }
    single = [rule["false_refusal"] for rule in decided if rule.get("false_refusal") is not None]
    together = 1 - math.prod(1 - p for p in single)
    return {
        "num_rules": len(single),
        "estimate": round(together, 6),
        "at_most": round(min(sum(single), 1.0), 6),
        "sentence": (
            f"If the true values were the measured ones, another test set of this size would "
            f"refuse this model with a probability of about {together:.0%} (by normal "
            f"approximation, {len(single)} rules as if independent; at most "
            f"{min(sum(single), 1.0):.0%})."
        )
        if single
        else "No rule was measured, so nothing can be said of false refusals.",
    }
