"""Mitigation after training: its settings, and what decisions do to groups on calibration rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.dataset.groups import group_names
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.statistics.largest_gap import Rates, max_gap

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]
Method = Literal["none", "constrained_threshold", "threshold_optimizer"]
Constraint = Literal[
    "demographic_parity",
    "equalized_odds",
    "true_positive_rate_parity",
    "false_positive_rate_parity",
]
RATES: Mapping[Constraint, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "true_positive_rate_parity": ("true_positive_rate",),
    "false_positive_rate_parity": ("false_positive_rate",),
}
"""The rates that a constraint wants alike in all groups."""


class Mitigation(Frozen):
    method: Method = "none"
    """`constrained_threshold` looks for one threshold for everybody whose gap is small enough;
    `threshold_optimizer` gives each group thresholds of its own, and needs to know the group of
    everybody who is decided about."""
    constraint: Constraint = "demographic_parity"
    """Which rates are compared between groups: of positive decisions, of outcomes found, of false
    alarms, or (`equalized_odds`) the last two."""
    columns: tuple[str, ...] | None = None
    """The sensitive columns; all of them when not named. `constrained_threshold` compares the
    groups of each, `threshold_optimizer` the groups of all of them crossed."""
    at_most: float | None = Field(None, gt=0, lt=1)
    """The largest gap. `constrained_threshold` needs it and keeps its upper bound below it;
    `threshold_optimizer` makes the rates equal without it, and alike within it on the calibration
    rows with it."""
    confidence: float = Field(0.95, ge=0.5, lt=1)
    """Of the upper bound."""
    min_group_size: int = Field(200, ge=1)
    """A group with fewer calibration rows is left out of the gap, or gets no thresholds of its
    own; the report names it."""
    least_share: float = Field(0.5, ge=0, le=1)
    """A threshold must decide at least this share of as many rows as positive as have the positive
    outcome, and of as many as negative as have not: with nobody selected every gap is 0."""
    allow_sensitive_at_serving: bool = False
    """Whether the service may ask for the sensitive columns and decide by them."""
    salt: str = "0"
    """Keys the random number that `threshold_optimizer` needs for a row."""

    @model_validator(mode="after")
    def _limits_that_the_method_takes(self) -> "Mitigation":
        if self.method == "constrained_threshold" and self.at_most is None:
            raise ValueError("expected `at_most`, the largest gap, beside `constrained_threshold`")
        relaxed = self.method == "threshold_optimizer" and self.at_most is not None
        if relaxed and self.constraint == "equalized_odds":
            raise ValueError(
                "expected no `at_most`: `threshold_optimizer` knows no relaxed `equalized_odds`"
            )
        return self

    def of(self, columns: Columns) -> tuple[str, ...]:
        """The sensitive columns that it is about.

        Raises:
            ProjectError: one of them is not sensitive, there is none, or the task is another.
        """
        if columns.task != "binary":
            raise ProjectError(
                f"calibrate.mitigation.method: expected none where the task is {columns.task}, "
                f"got {self.method}",
                hint="thresholds are for a task with two outcomes; mitigate while training",
            )
        chosen = columns.sensitive if self.columns is None else self.columns
        if not chosen:
            raise ProjectError(
                f"calibrate.mitigation: expected sensitive columns for {self.method}, found none",
                hint="name them under `columns.sensitive`",
            )
        for name in chosen:
            if name not in columns.sensitive:
                raise ProjectError(
                    f"calibrate.mitigation.columns: expected a sensitive column, got {name!r}",
                    hint=nearest(name, columns.sensitive),
                )
        return chosen


@dataclass(frozen=True)
class Grouping:
    """Which row belongs to which group, of those groups that are large enough.

    Attributes:
        by: The columns' names, joined.
        names: The groups' names, sorted.
        members: 1 for a group's rows, shape (groups, rows).
        too_small: The groups that are left out, and their numbers of rows.
    """

    by: str
    names: list[str]
    members: Floats
    too_small: dict[str, int]


def grouping(
    table: pl.DataFrame, by: Sequence[str], columns: Columns, min_group_size: int
) -> Grouping:
    """The groups of rows by these columns crossed."""
    groups = group_names(table, by, columns)
    counted = groups.value_counts(name="num_rows").sort(groups.name)
    is_large = pl.col("num_rows") >= min_group_size
    names = counted.filter(is_large)[groups.name].to_list()
    return Grouping(
        by=groups.name,
        names=names,
        members=np.stack([(groups == name).to_numpy().astype(float) for name in names])
        if names
        else np.zeros((0, table.height)),
        too_small=dict(counted.filter(~is_large).iter_rows()),
    )


def rates(decisions: Bits, labels: Floats, groups: Grouping, constraint: Constraint) -> Rates:
    """The rates that a constraint compares, of one set of decisions; shape (rates, groups).

    Args:
        decisions: Shape (rows,).
        labels: 0 or 1, shape (rows,).
        groups: Of the same rows.
        constraint: Says which rates.
    """
    among = {
        "selection_rate": np.ones(len(labels)),
        "true_positive_rate": labels,
        "false_positive_rate": 1 - labels,
    }
    counted = np.stack([among[name] for name in RATES[constraint]])
    return Rates((counted * decisions) @ groups.members.T, counted @ groups.members.T)


def gap_of(
    decisions: Bits, labels: Floats, groups: Grouping, settings: Mitigation
) -> dict[str, float]:
    """The largest gap between groups, with one-sided bounds (`core.statistics.largest_gap`)."""
    return max_gap(
        rates(decisions, labels, groups, settings.constraint),
        confidence=settings.confidence,
    ).as_dict()


def effect(
    decisions: Bits, labels: Floats, groupings: Sequence[Grouping], settings: Mitigation
) -> dict[str, Any]:
    """What decisions come to on these rows: accuracy, selection rate, and the gap by grouping."""
    return {
        "accuracy": round(float((decisions == (labels == 1)).mean()), 6),
        "selection_rate": round(float(decisions.mean()), 6),
        "gaps": {one.by: gap_of(decisions, labels, one, settings) for one in groupings},
    }
