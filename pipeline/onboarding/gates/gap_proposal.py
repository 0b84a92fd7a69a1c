"""The limit on the gap between groups that `hallmark init` proposes: what so many rows can show.

What the baseline's own gap is decides no limit; it is told, so that nobody is surprised.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.dataset.groups import levels
from pipeline.core.settings.columns import Columns
from pipeline.core.statistics.largest_gap import Means, Rates, max_gap, max_mean_gap
from pipeline.onboarding.columns.proposal import Finding, Kind
from pipeline.onboarding.gates.cross_validation import CrossValidated
from pipeline.onboarding.gates.proposed_rule import CONFIDENCE, ProposedRule, rounded_up

USUAL = 0.10
"""Of a difference between rates; of a number, as a share of the target's standard deviation."""
LARGEST = 0.25
"""A larger limit would say nothing; where rows cannot show this, the usual one stands."""
LARGEST_OF_NUMBER = 0.5
"""The same of a number, in standard deviations: a medium difference (J. Cohen, Statistical power
analysis for the behavioral sciences, 2nd ed., 1988)."""
SHOWN = 0.95
"""A model without any gap keeps the proposed limit in so many of such test sets."""
GROUP_SIZES = (200, 100, 50, 20)
"""Least numbers of test rows of a group, from the stage's default on."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Groups:
    """The groups of one sensitive column.

    Attributes:
        names: Of each.
        expected: How many test rows each will have, about; shape (groups,).
        least: The least number of test rows with which a group takes part.
    """

    names: list[str]
    expected: Floats
    least: int

    @property
    def large(self) -> NDArray[np.bool_]:
        return _at_least(self.expected) >= self.least

    @property
    def num_small(self) -> int:
        return int((~self.large).sum())


def gap_rule(
    name: str, train: pl.DataFrame, columns: Columns, found: CrossValidated, num_test_rows: int
) -> ProposedRule:
    """The rule on the gap between the groups of the sensitive column `name`."""
    groups = _groups(levels(train, name, columns), found, num_test_rows)
    measure = (
        "mean_residual_difference"
        if found.predicted.task == "regression"
        else "demographic_parity_difference"
    )
    rule = {"measure": measure, "by": name}
    if groups.large.sum() < 2:
        return _unmeasurable({**rule, "at_most": _usual(found)}, groups, name)
    shown = _shown_limit(groups, found)
    usual = _usual(found)
    limit = usual if shown <= usual else shown
    can_be_shown = limit <= _largest(found)
    limit = limit if can_be_shown else usual
    if groups.least != GROUP_SIZES[0]:
        rule["min_group_size"] = groups.least  # type: ignore[assignment]
    comment = (
        "the usual limit; docs/fairness.md says how to choose measure and limit"
        if shown <= usual
        else f"with about {_sizes(groups)} test rows in the two smallest groups no limit below "
        f"{shown:g} can be shown; docs/fairness.md says how to choose measure and limit"
    )
    gap = _gap(levels(found.rows, name, columns), groups, found)
    return ProposedRule(
        {**rule, "at_most": limit},
        comment,
        spare=_spare(groups),
        finding=_finding(name, groups, gap, limit, shown, can_be_shown),
    )


def _groups(members: pl.Series, found: CrossValidated, num_test_rows: int) -> Groups:
    """Group sizes as the test part will have them, and the least size of a group that takes part.

    That is the largest with which all groups take part and the usual limit can be shown; else the
    largest that leaves two groups.
    """
    counts = members.value_counts(name="num").sort(members.name)
    expected = counts["num"].to_numpy().astype(float) * num_test_rows / max(members.len(), 1)
    tried = [Groups(counts[members.name].to_list(), expected, least) for least in GROUP_SIZES]
    usable = [groups for groups in tried if groups.large.sum() >= 2]
    whole = [
        groups
        for groups in usable
        if not groups.num_small and _shown_limit(groups, found) <= _usual(found)
    ]
    return [*whole, *usable, tried[0]][0]


def _at_least(expected: Floats) -> Floats:
    """How many rows a group of this expected size has in nearly every split (two deviations)."""
    lower: Floats = expected - 2 * np.sqrt(expected)
    return lower


def _unit(found: CrossValidated) -> float:
    """One of a rate; the standard deviation of a number."""
    return float(found.truth.std()) if found.predicted.task == "regression" else 1.0


def _usual(found: CrossValidated) -> float:
    return rounded_up(USUAL * _unit(found))


def _largest(found: CrossValidated) -> float:
    share = LARGEST_OF_NUMBER if found.predicted.task == "regression" else LARGEST
    return share * _unit(found)


def _shown_limit(groups: Groups, found: CrossValidated) -> float:
    """The least limit that a model without any gap keeps in 95 of 100 such test sets."""
    totals = groups.expected[groups.large]
    # Either of two groups may be the luckier one, and so may each of the others.
    unlucky = NormalDist().inv_cdf(1 - (1 - SHOWN) / (2 * max(len(totals) - 1, 1)))
    if found.predicted.task == "regression":
        residual = found.decisions - found.truth
        spread = float(residual.var())
        means = Means(totals, np.zeros(len(totals)), spread * np.maximum(totals - 1, 1))
        floor = max_mean_gap(means, confidence=CONFIDENCE, alike=True).high
        deviation = math.sqrt(spread * (1 / np.sort(totals)[:2]).sum())
        return rounded_up(floor + unlucky * deviation)
    shares = _selection_rates(found)
    rates = Rates(shares[:, None] * totals, np.broadcast_to(totals, (len(shares), len(totals))))
    floor = max_gap(rates.pooled(), confidence=CONFIDENCE).high
    variance = float((shares * (1 - shares)).max())
    deviation = math.sqrt(variance * (1 / np.sort(totals)[:2]).sum())
    return math.ceil(round((floor + unlucky * deviation) * 100, 6)) / 100


def _selection_rates(found: CrossValidated) -> Floats:
    """The share of rows that is decided so, for each class; of two classes, for the positive."""
    if found.predicted.task == "binary":
        return np.array([found.decisions.mean()])
    counts = np.bincount(found.decisions, minlength=len(found.predicted.classes))
    return counts / len(found.decisions)


def _gap(found_groups: pl.Series, groups: Groups, found: CrossValidated) -> float:
    """The baseline's own largest gap between the groups that are large enough."""
    names = np.array(found_groups.to_list(), dtype=object)
    large = [name for name, is_large in zip(groups.names, groups.large, strict=True) if is_large]
    masks = [names == name for name in large if (names == name).any()]
    if found.predicted.task == "regression":
        values = [[(found.decisions - found.truth)[mask].mean()] for mask in masks]
    elif found.predicted.task == "binary":
        values = [[found.decisions[mask].mean()] for mask in masks]
    else:
        num = len(found.predicted.classes)
        values = [np.bincount(found.decisions[mask], minlength=num) / mask.sum() for mask in masks]
    table = np.array(values, dtype=float)
    return float((table.max(axis=0) - table.min(axis=0)).max()) if len(masks) > 1 else 0.0


def _sizes(groups: Groups) -> str:
    smallest = np.sort(groups.expected[groups.large])[:2]
    return " and ".join(f"{size:,.0f}" for size in smallest)


def _spare(groups: Groups) -> dict[str, str]:
    """The line that a person takes in to leave out the groups that are too small."""
    if not groups.num_small:
        return {}
    verb = "has" if groups.num_small == 1 else "have"
    return {
        "accept_small_groups": f"{groups.num_small} of {len(groups.names)} groups {verb} fewer "
        f"than {groups.least} test rows, too few for a bound of use"
    }


def _unmeasurable(rule: dict[str, str | float], groups: Groups, name: str) -> ProposedRule:
    what = (
        f"Fewer than two groups of {name!r} will have {GROUP_SIZES[-1]} test rows: no gap between "
        "them can be measured, and the gate will say that there is not enough evidence."
    )
    advice = "deliver more rows of these groups, or join groups under `clean.rules` (replace)"
    return ProposedRule(
        rule,
        f"cannot be measured: of {len(groups.names)} groups fewer than two will have "
        f"{GROUP_SIZES[-1]} test rows",
        finding=Finding("small_group", (name,), what, advice),
    )


def _finding(
    name: str, groups: Groups, gap: float, limit: float, shown: float, can_be_shown: bool
) -> Finding | None:
    """What a person should know of this rule, if there is something."""
    sentences, advice = [], []
    if not can_be_shown:
        sentences.append(
            f"With about {_sizes(groups)} test rows in the two smallest groups of {name!r}, no "
            f"limit on their gap below {shown:g} can be shown: the gate will say that there is not "
            "enough evidence."
        )
        advice.append("deliver more rows of these groups, or join groups under `clean.rules`")
    elif groups.num_small:
        sentences.append(
            f"{groups.num_small} of the {len(groups.names)} groups of {name!r} will have fewer "
            f"than {groups.least} test rows: they leave the gate without enough evidence."
        )
        advice.append("take in the line `accept_small_groups` at its rule under `gate.rules`")
    if can_be_shown and gap > limit:
        sentences.append(
            f"The cross-validated baseline has a gap of {gap:.3g} between the groups of {name!r}; "
            f"the limit is {limit:g}, so the gate will probably refuse a model like it."
        )
        advice.append("raise `train.mitigation.strength`, or choose by `hallmark frontier`")
    if not sentences:
        return None
    kind: Kind = "other" if can_be_shown and not groups.num_small else "small_group"
    return Finding(kind, (name,), " ".join(sentences), "; ".join(advice))
