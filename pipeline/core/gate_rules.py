"""The rules of a gate as `project.yaml` has them, checked before anything runs.

A rule of the first form sets a limit for what was measured; one of the second, `against: champion`,
says how much worse than the live model the new one may be.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from pipeline.core.errors import ProjectError
from pipeline.core.measures import GAPS, METRICS
from pipeline.core.project import Frozen, nearest

Insufficient = Literal["refuse", "warn"]


class Rule(Frozen):
    measure: str
    """What is measured: a metric of `evaluate`, or, with `by`, a gap of `assess`."""
    by: str | None = None
    """The sensitive column, or columns joined by ` × `, whose groups are compared."""
    at_most: float | None = Field(None, allow_inf_nan=False)
    """The upper bound of the measure must not lie above this."""
    at_least: float | None = Field(None, allow_inf_nan=False)
    """The lower bound of the measure must not lie below this."""
    confidence: float | None = Field(None, ge=0.8, lt=1)
    """Of the one-sided bound that decides; when not given, that of the report."""
    min_group_size: int | None = Field(None, ge=1)
    """Groups with fewer test rows take no part in this rule; when not given, as `assess` has it."""
    accept_small_groups: str | None = Field(None, pattern=r"\S")
    """Why groups that are too small to be measured may be left out of this rule; the report shows
    it. Without a reason such groups make the rule's outcome insufficient."""
    insufficient: Insufficient | None = None
    """What too little evidence means for this rule: `refuse`, as when not given, or `warn`."""
    reason: str | None = Field(None, pattern=r"\S")
    """Why too little evidence may pass with a warning; the report shows it."""

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

    @model_validator(mode="after")
    def _of_groups_alone(self) -> "Rule":
        for name in ("min_group_size", "accept_small_groups"):
            if self.by is None and getattr(self, name) is not None:
                raise ValueError(f"`{name}` is for rules with `by`")
        return self

    @model_validator(mode="after")
    def _a_reason_to_warn(self) -> "Rule":
        if self.insufficient == "warn" and self.reason is None:
            raise ValueError("`insufficient: warn` needs a `reason`, which the report shows")
        if self.insufficient != "warn" and self.reason is not None:
            raise ValueError("expected `insufficient: warn` beside `reason`")
        return self

    @property
    def direction(self) -> Literal["at_most", "at_least"]:
        return "at_most" if self.at_least is None else "at_least"

    @property
    def bound(self) -> float:
        """The limit."""
        given = self.at_most if self.at_least is None else self.at_least
        return 0.0 if given is None else given

    @property
    def subject(self) -> str:
        """The measure, and between whose groups."""
        return self.measure + (f" by {self.by}" if self.by else "")

    @property
    def title(self) -> str:
        """The rule in one line; overrides name it so."""
        sign = "≤" if self.direction == "at_most" else "≥"
        own = f" at {self.confidence:g}" if self.confidence else ""
        return f"{self.subject} {sign} {self.bound:g}{own}"


def check_groupings(rules: Sequence[Rule], known: Sequence[str]) -> None:
    """Refuse rules whose `by` names no grouping, where there are groupings at all.

    Args:
        rules: Of the gate.
        known: The groupings that are compared; empty where no column is named as sensitive.

    Raises:
        ProjectError: a rule names another.
    """
    for rule in rules:
        if rule.by is not None and known and rule.by not in known:
            raise ProjectError(
                f"project.yaml: gate.rules: rule `{rule.title}`: `by` is {rule.by!r}, "
                f"expected one of {', '.join(known)}",
                hint=nearest(rule.by, tuple(known)),
            )
