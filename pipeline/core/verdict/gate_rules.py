"""The rules of a gate as `project.yaml` has them, checked before anything runs.

A rule of the first form sets a limit for what was measured; one of the second, `against: champion`,
says how much worse than the live model the new one may be; one of the third, `against: baseline`,
asks that no model that costs a hundredth is as good.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.core.metrics.measures import (
    COUNTERFACTUAL,
    GAPS_OF,
    METRICS_OF,
    REGRESSION_GAPS,
    REGRESSION_METRICS,
)
from pipeline.core.settings.problems import Unsuitable, nearest
from pipeline.core.settings.typed_settings import Frozen

METRICS = {name: larger for known in METRICS_OF.values() for name, larger in known.items()}
GAPS = {name: larger for known in GAPS_OF.values() for name, larger in known.items()}
"""Both of any task; that a rule's measure is one of the project's task, the stage checks."""
UNBOUNDED = {"log_loss", COUNTERFACTUAL, *REGRESSION_METRICS, *REGRESSION_GAPS}
"""The measures that are no shares: their limit may be any number."""
Insufficient = Literal["refuse", "warn"]
PAIRED_OF: Mapping[str, Mapping[str, bool]] = {
    "binary": {
        "accuracy": True,
        "selection_rate": True,
        "true_positive_rate": True,
        "false_positive_rate": False,
    },
    "multiclass": {"accuracy": True},
    "regression": {"mean_absolute_error": False},
}
"""What is compared with the champion by group, by task, and whether larger is better; of selection
rates that means: to be selected is."""
PAIRED = {name: larger for known in PAIRED_OF.values() for name, larger in known.items()}
IN_UNITS = ("mean_absolute_error", "root_mean_squared_error")
"""Measures in the target's own units, for which a margin may be any number."""
COST_SHARE = 0.01
"""What a cheap model costs of a costly one."""
POWER = 0.8
"""The probability with which something is shown that counts as being able to show it."""


def _measures(schema: dict[str, Any]) -> None:
    """Editors offer the measures by name; which of them suits a rule, its own check says."""
    schema["enum"] = sorted({*METRICS, *GAPS, *PAIRED, COUNTERFACTUAL})


class Rule(Frozen):
    measure: str = Field(json_schema_extra=_measures)
    """What is measured: a metric of `evaluate`, or, with `by`, a gap of `assess`."""
    by: str | None = None
    """The sensitive column, or columns joined by ` × `, whose groups are compared; of
    `counterfactual_change` the word list, such as `names` or `names, in templates`."""
    at_most: float | None = Field(None, json_schema_extra={"unit": "of the measure"})
    """The upper bound of the measure must not lie above this."""
    at_least: float | None = Field(None, json_schema_extra={"unit": "of the measure"})
    """The lower bound of the measure must not lie below this."""
    against: Literal["champion", "baseline"] | None = None
    """Compares with the live model, on test rows that it was not trained on, instead of a limit;
    or with the cheap baseline, which must be shown to be worse."""
    margin: float | None = Field(
        None, ge=0, allow_inf_nan=False, json_schema_extra={"unit": "of the measure"}
    )
    """With `against`: how much worse than the champion the new model may be; overall, or with `by`
    in each group. Below 1, but for errors in units of the target."""
    cost_share: float | None = Field(None, gt=0, le=1)
    """With `against: baseline`: the rule applies where training the baseline takes at most this
    share of the model's arithmetic; 0.01 when not given."""
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
        if self.against == "baseline":
            self._check_baseline()
            return self
        if self.cost_share is not None:
            raise Unsuitable(
                "expected no `cost_share` without `against: baseline`",
                "it says what counts as cheap there: remove it, or compare with the baseline",
            )
        (self._check_comparison if self.against else self._check_limit)()
        return self

    def _check_baseline(self) -> None:
        for name in ("by", "at_most", "at_least", "margin", "power"):
            if getattr(self, name) is not None:
                raise Unsuitable(
                    f"expected no `{name}` in a rule against the baseline",
                    "the model must be better than the baseline, by how little does not matter",
                )
        self._check_measure(METRICS, "against the baseline")

    def _check_limit(self) -> None:
        for name in ("margin", "power"):
            if getattr(self, name) is not None:
                raise Unsuitable(
                    f"expected no `{name}` in a rule with a limit of its own",
                    f"`{name}` is for rules with `against: champion`",
                )
        if (self.at_most is None) == (self.at_least is None):
            found = "none" if self.at_most is None else "both"
            larger = "`at_least` where more is better, `at_most` where less is"
            raise Unsuitable(f"expected one of `at_most` and `at_least`, got {found}", larger)
        known = METRICS if self.by is None else {**GAPS, COUNTERFACTUAL: False}
        self._check_measure(known, "without `by`" if self.by is None else "with `by`")
        if known[self.measure] == (self.at_least is None):
            right = "at_least" if known[self.measure] else "at_most"
            raise Unsuitable(
                f"{self.measure}: expected the limit under `{right}`",
                f"of {self.measure} {'more' if known[self.measure] else 'less'} is better",
            )
        limit = self.bound
        if self.measure not in UNBOUNDED and not 0 <= limit <= 1:
            shares = f"{limit:g} percent is written {limit / 100:g}"
            raise Unsuitable(
                f"{self.measure}: expected a limit between 0 and 1, got {limit:g}",
                shares if 1 < limit <= 100 else "it is a share, or an average of shares",
            )

    def _check_comparison(self) -> None:
        if self.margin is None or self.at_most is not None or self.at_least is not None:
            raise Unsuitable(
                "expected `margin` as the one limit beside `against: champion`",
                "`margin: 0.01` lets the new model be worse by 0.01 at the most",
            )
        if self.by is None and self.power is not None:
            raise Unsuitable(
                "expected no `power` in a rule without `by`",
                "`power` is about single groups: remove it, or name a column under `by`",
            )
        where = "against the champion" + ("" if self.by is None else " with `by`")
        self._check_measure(METRICS if self.by is None else PAIRED, where)
        if self.margin >= 1 and self.measure not in IN_UNITS:
            raise Unsuitable(
                f"expected a `margin` below 1 of {self.measure}, got {self.margin:g}",
                "it is a share: write 5 % as 0.05",
            )

    def _check_measure(self, known: Mapping[str, bool], where: str) -> None:
        if self.measure in known:
            return
        if self.by is None and self.measure == COUNTERFACTUAL:
            raise Unsuitable(
                f"{self.measure}: expected `by`, the word list whose groups are swapped",
                "for instance `by: names`",
            )
        if self.by is None and self.measure in GAPS:
            raise Unsuitable(
                f"{self.measure}: expected `by`, the sensitive column whose groups are compared",
                "for instance `by: COLUMN`, a name from `columns.sensitive`",
            )
        if self.by is not None and self.measure in METRICS and not self.against:
            raise Unsuitable(
                f"unknown measure {self.measure!r} {where}",
                f"`{self.measure}` is of all rows: remove `by`; with it, known are: "
                f"{', '.join(known)}",
            )
        raise Unsuitable(f"unknown measure {self.measure!r} {where}", nearest(self.measure, known))

    @model_validator(mode="after")
    def _of_groups_alone(self) -> "Rule":
        for name in ("min_group_size", "accept_small_groups"):
            if self.compares_groups or getattr(self, name) is None:
                continue
            if self.by is not None:
                raise Unsuitable(
                    f"expected no `{name}` in a rule on {self.measure}",
                    "words are swapped in texts: no group of rows is compared",
                )
            raise Unsuitable(
                f"expected no `{name}` in a rule without `by`",
                f"`{name}` is about groups: name the sensitive column under `by`",
            )
        return self

    @model_validator(mode="after")
    def _a_reason_to_warn(self) -> "Rule":
        if self.insufficient == "warn" and self.reason is None:
            raise Unsuitable(
                "expected a `reason` beside `insufficient: warn`, found none",
                "write why too little evidence may pass; the report shows it",
            )
        if self.insufficient != "warn" and self.reason is not None:
            raise Unsuitable(
                "expected `insufficient: warn` beside `reason`, found none",
                "the reason says why too little evidence may pass: add the line or remove it",
            )
        return self

    @property
    def compares_groups(self) -> bool:
        """Whether it is about groups of test rows."""
        return self.by is not None and self.measure != COUNTERFACTUAL

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
        against = f" against {self.against}" if self.against else ""
        return self.measure + against + (f" by {self.by}" if self.by else "")

    @property
    def title(self) -> str:
        """The rule in one line; overrides name it so."""
        own = f" at {self.confidence:g}" if self.confidence else ""
        if self.against == "baseline":
            return f"{self.subject}, at a cost of {self.cost_share or COST_SHARE:g}{own}"
        if self.margin is not None:
            return f"{self.subject}, margin {self.margin:g}{own}"
        sign = "≤" if self.direction == "at_most" else "≥"
        return f"{self.subject} {sign} {self.bound:g}{own}"
