"""Decide on the evidence: every rule passes, fails, or has not enough evidence.

Reads: evaluate/report.json, assess/report.json.
Writes: verdict.json.
Refuses when: a rule names a measure or a grouping that was not measured. A verdict against the
model is no refusal here: this stage always writes its verdict, and packaging decides on it.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.core.errors import ProjectError
from pipeline.core.files import read_json, write_json
from pipeline.core.measures import GAPS, METRICS
from pipeline.core.paths import Paths
from pipeline.core.project import Frozen, Project, nearest

SECTIONS = ()

Outcome = Literal["pass", "fail", "insufficient"]


class Rule(Frozen):
    measure: str
    """What is measured: a metric of `evaluate`, or, with `by`, a gap of `assess`."""
    by: str | None = None
    """The sensitive column, or columns joined by ` × `, whose groups are compared."""
    at_most: float | None = Field(None, allow_inf_nan=False)
    """The upper bound of the measure must not lie above this."""
    at_least: float | None = Field(None, allow_inf_nan=False)
    """The lower bound of the measure must not lie below this."""
    accept_small_groups: str | None = Field(None, pattern=r"\S")
    """Why groups that are too small to be measured may be left out of this rule; the report shows
    it. Without a reason such groups make the rule's outcome insufficient."""

    @model_validator(mode="after")
    def _one_limit(self) -> "Rule":
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("expected one of `at_most` and `at_least`")
        known = METRICS if self.by is None else GAPS
        if self.measure not in known:
            where = "without `by`" if self.by is None else "with `by`"
            hint = nearest(self.measure, known)
            raise ValueError(f"unknown measure {self.measure!r} {where}; {hint}")
        if known[self.measure] == (self.at_least is None):
            right = "at_least" if known[self.measure] else "at_most"
            raise ValueError(f"{self.measure}: expected the limit under `{right}`")
        return self

    @property
    def subject(self) -> str:
        """The measure, and between whose groups."""
        return self.measure + (f" by {self.by}" if self.by else "")

    @property
    def title(self) -> str:
        """The rule in one line."""
        limit = f"≤ {self.at_most}" if self.at_least is None else f"≥ {self.at_least}"
        return f"{self.subject} {limit}"


class Settings(Frozen):
    rules: tuple[Rule, ...] = Field(default=())
    """What a model must show; each decides on the one-sided bound that lies towards its limit."""


def run(project: Project[Settings], paths: Paths) -> None:
    evaluation = read_json(paths.input("evaluate", "report.json"))
    assessment = read_json(paths.input("assess", "report.json"))
    write_json(
        paths.output("verdict.json"), verdict(project.settings.rules, evaluation, assessment)
    )


def verdict(
    rules: tuple[Rule, ...], evaluation: dict[str, Any], assessment: dict[str, Any]
) -> dict[str, Any]:
    """The outcome of each rule and in total, for the model and, for comparison, the baseline."""
    decided = []
    for rule in rules:
        ours = decide(rule, evaluation, assessment, "model")
        theirs = decide(rule, evaluation, assessment, "baseline")
        shown = {key: theirs[key] for key in ("outcome", "value", "low", "high")}
        decided.append({**ours, "baseline": shown})
    return {
        "outcome": total([rule["outcome"] for rule in decided]),
        "confidence": evaluation["confidence"],
        "rules": decided,
        "baseline_outcome": total([rule["baseline"]["outcome"] for rule in decided]),
    }


def total(outcomes: list[Outcome]) -> Outcome:
    """Fail if a rule fails; pass if all pass and there is one; else insufficient."""
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes and set(outcomes) == {"pass"} else "insufficient"


def decide(
    rule: Rule, evaluation: dict[str, Any], assessment: dict[str, Any], who: str
) -> dict[str, Any]:
    """One rule's outcome, with the numbers that it rests on and a sentence that says it."""
    found, too_small = evidence(rule, evaluation, assessment, who)
    confidence = (assessment if rule.by else evaluation)["confidence"]
    unexcused = bool(too_small) and rule.accept_small_groups is None
    outcome: Outcome = "insufficient"
    if found is not None:
        outcome = compare(rule, found["low"], found["high"])
        if unexcused and outcome == "pass":
            outcome = "insufficient"
    return {
        "rule": rule.title,
        "measure": rule.measure,
        "by": rule.by,
        "direction": "at_most" if rule.at_least is None else "at_least",
        "bound": rule.at_most if rule.at_least is None else rule.at_least,
        "outcome": outcome,
        "value": found and found["value"],
        "low": found and found["low"],
        "high": found and found["high"],
        "noise_floor": found and found.get("noise_floor"),
        "too_small": too_small,
        "accepted_small_groups": rule.accept_small_groups,
        "sentence": sentence(rule, outcome, found, too_small if unexcused else [], confidence),
    }


def compare(rule: Rule, low: float, high: float) -> Outcome:
    """Pass when the whole interval keeps the limit, fail when the whole interval breaks it."""
    if rule.at_least is not None:
        return (
            "pass" if low >= rule.at_least else "fail" if high < rule.at_least else "insufficient"
        )
    limit = rule.at_most if rule.at_most is not None else 0.0
    return "pass" if high <= limit else "fail" if low > limit else "insufficient"


def evidence(
    rule: Rule, evaluation: dict[str, Any], assessment: dict[str, Any], who: str
) -> tuple[dict[str, Any] | None, list[str]]:
    """The measured value with its bounds (None when it could not be measured), and the groups
    that were too small to take part."""
    if rule.by is None:
        return evaluation[who]["metrics"][rule.measure], []
    if rule.by not in assessment[who]:
        known = tuple(assessment[who])
        raise ProjectError(
            f"project.yaml: gate.rules: rule `{rule.title}`: `by` is {rule.by!r}, "
            f"expected one of {', '.join(known)}",
            hint=nearest(rule.by, known),
        )
    groups = assessment[who][rule.by]
    return groups["gaps"].get(rule.measure), groups["too_small"]


def sentence(
    rule: Rule,
    outcome: Outcome,
    found: dict[str, Any] | None,
    too_small: list[str],
    confidence: float,
) -> str:
    """The outcome in words."""
    if found is None:
        return f"{rule.subject} could not be measured: fewer than two groups are large enough."
    above = rule.at_least is None
    bound, limit = (found["high"], rule.at_most) if above else (found["low"], rule.at_least)
    side = "no more than" if above else "no less than"
    certain = f"with {confidence:.0%} confidence {side} {bound:.3f}"
    shown = f"{rule.subject} is {found['value']:.3f}, {certain}"
    if outcome == "pass":
        return f"{shown}; the limit of {limit:g} is kept."
    if outcome == "fail":
        return f"{shown}; even the other end of its interval breaks the limit of {limit:g}."
    if too_small:
        return f"{shown}, but too few rows to measure: {', '.join(too_small)}."
    return f"{shown}: these rows cannot show that the limit of {limit:g} is kept."
