"""The rules of a gate as `project.yaml` has them, checked before anything runs.

A rule of the first form sets a limit for what was measured; one of the second, `against: champion`,
says how much worse than the live model the new one may be.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.core.errors import ProjectError
from pipeline.core.measures import GAPS_OF, METRICS_OF
from pipeline.core.project import Frozen, nearest

METRICS = {name: larger for known in METRICS_OF.values() for name, larger in known.items()}
GAPS = {name: larger for known in GAPS_OF.values() for name, larger in known.items()}
"""Both of any task; that a rule's measure is one of the project's task, the stage checks."""
Insufficient = Literal["refuse", "warn"]
PAIRED = {
    "accuracy": True,
    "selection_rate": True,
    "true_positive_rate": True,
    "false_positive_rate": False,
}
"""What is compared with the champion by group, and whether larger is better; of selection rates
that means: to be selected is."""
POWER = 0.8
"""The probability with which something is shown that counts as being able to show it."""


def _measures(schema: dict[str, Any]) -> None:
    """Editors offer the measures by name; which of them suits a rule, its own check says."""
    schema["enum"] = sorted({*METRICS, *GAPS, *PAIRED})


class Rule(Frozen):
    measure: str = Field(json_schema_extra=_measures)
    """What is measured: a metric of `evaluate`, or, with `by`, a gap of `assess`."""
    by: str | None = None
    """The sensitive column, or columns joined by ` × `, whose groups are compared."""
    at_most: float | None = Field(None, json_schema_extra={"unit": "of the measure"})
    """The upper bound of the measure must not lie above this."""
    at_least: float | None = Field(None, json_schema_extra={"unit": "of the measure"})
    """The lower bound of the measure must not lie below this."""
    against: Literal["champion"] | None = None
    """Compares with the live model, on test rows that it was not trained on, instead of a limit."""
    margin: float | None = Field(None, ge=0, lt=1)
    """With `against`: how much worse than the champion the new model may be; overall, or with `by`
    in each group."""
    power: float | None = Field(None, gt=0, lt=1)
    """With `against` and `by`: an undecided group refuses when these rows had at least this
    probability of showing a loss of `margin` in it; 0.8 when not given."""
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
    def _measure_and_limit(self) -> "Rule":
        (self._check_comparison if self.against else self._check_limit)()
        return self

    def _check_limit(self) -> None:
        for name in ("margin", "power"):
            if getattr(self, name) is not None:
                raise ValueError(f"`{name}` is for rules with `against: champion`")
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("expected one of `at_most` and `at_least`")
        known = METRICS if self.by is None else GAPS
        self._check_measure(known, "without `by`" if self.by is None else "with `by`")
        if known[self.measure] == (self.at_least is None):
            right = "at_least" if known[self.measure] else "at_most"
            raise ValueError(f"{self.measure}: expected the limit under `{right}`")

    def _check_comparison(self) -> None:
        if self.margin is None or self.at_most is not None or self.at_least is not None:
            raise ValueError("expected `margin` as the one limit beside `against: champion`")
        if self.by is None and self.power is not None:
            raise ValueError("`power` is for rules with `by`")
        where = "against the champion" + ("" if self.by is None else " with `by`")
        self._check_measure(METRICS if self.by is None else PAIRED, where)

    def _check_measure(self, known: Mapping[str, bool], where: str) -> None:
        if self.measure not in known:
            hint = nearest(self.measure, known)
            raise ValueError(f"unknown measure {self.measure!r} {where}; {hint}")

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
        return "at_most" if self.at_most is not None else "at_least"

    @property
    def bound(self) -> float:
        """The limit; of a comparison, of the gain."""
        if self.margin is not None:
            return -self.margin
        given = self.at_most if self.at_least is None else self.at_least
        return 0.0 if given is None else given

    @property
    def subject(self) -> str:
        """The measure, against whom, and between or in whose groups."""
        against = " against champion" if self.against else ""
        return self.measure + against + (f" by {self.by}" if self.by else "")

    @property
    def title(self) -> str:
        """The rule in one line; overrides name it so."""
        own = f" at {self.confidence:g}" if self.confidence else ""
        if self.margin is not None:
            return f"{self.subject}, margin {self.margin:g}{own}"
        sign = "≤" if self.direction == "at_most" else "≥"
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
