"""What a frontier's measurements say: the worst gap, the Pareto front, and which point is chosen.

Pure functions of numbers that were measured on validation rows.

The rule of choice: of the points that would pass every rule of the gate, take the one of the best
quality, and all that these rows cannot tell from it (within one standard error of the paired
difference; L. Breiman et al., Classification and regression trees, 1984, section 3.4.3); among
these take the one whose worst gap keeps furthest from its limit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import stdev
from typing import Any

PLAIN_GAPS = ("demographic_parity_difference", "mean_residual_difference")
"""What is drawn of a project whose gate has no rule on a gap; the second where the target is a
number."""


@dataclass(frozen=True)
class Span:
    """A value with one-sided bounds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gap:
    """The worst gap of a point.

    Attributes:
        span: With `is_share`, as a share of its rule's limit: 1 is the limit, above it is
            refused. Else the gap itself.
        subject: Which gap that is.
        value: The measure's own value.
        is_share: Whether a rule names the gap.
    """

    span: Span
    subject: str
    value: float
    is_share: bool


@dataclass(frozen=True)
class Measured:
    """A point as it was measured.

    Attributes:
        name: What it is called.
        family: The mitigation that it is an instance of.
        quality: How good its decisions or probabilities are.
        gap: None when no gap could be measured.
        rules: What the gate would say on these rows, rule by rule.
        outcome: What it would say in total.
        replicates: The quality in each bootstrap resample; the same resamples for every point.
    """

    name: str
    family: str
    quality: Span
    gap: Gap | None
    rules: Sequence[Mapping[str, Any]] = ()
    outcome: str = "insufficient"
    replicates: Sequence[float] = field(default=(), repr=False)

    @property
    def would_pass(self) -> bool:
        """Whether every rule is kept, as far as these rows show."""
        return self.outcome == "pass"

    @property
    def refusing(self) -> tuple[Mapping[str, Any], ...]:
        """The rules that would refuse it."""
        return tuple(rule for rule in self.rules if rule["refuses"])


@dataclass(frozen=True)
class Choice:
    """Which point was chosen.

    Attributes:
        chosen: None when none would pass.
        nearest: The one that came nearest then.
        best: The passing one of the best quality.
        alike: All whose quality these rows cannot tell from the best one's.
        sentence: The choice in words.
    """

    chosen: Measured | None
    nearest: Measured | None
    best: Measured | None
    alike: tuple[Measured, ...]
    sentence: str


def measured(name: str, family: str, content: Mapping[str, Any], quality: str) -> Measured:
    """A point from what `flows.frontier.measure` wrote of it."""
    metric = content["metrics"][quality]
    return Measured(
        name=name,
        family=family,
        quality=Span(metric["value"], metric["low"], metric["high"]),
        gap=worst_gap(content["rules"], content["gaps"]),
        rules=content["rules"],
        outcome=content["outcome"],
        replicates=content["replicates"][quality],
    )


def worst_gap(
    rules: Sequence[Mapping[str, Any]], gaps: Mapping[str, Mapping[str, Any]]
) -> Gap | None:
    """The gap that uses most of its limit, over all rules on gaps; its bounds are the largest over
    all of them, so the bound keeps the limit just when every rule's does.

    Args:
        rules: The gate's, decided.
        gaps: By grouping and measure; of use when no rule is on a gap: the largest of PLAIN_GAPS
            is taken then.
    """
    by_rule = [(share_of_limit(rule), rule) for rule in rules if rule.get("by")]
    known = [(span, rule) for span, rule in by_rule if span is not None]
    if known:
        _, worst = max(known, key=lambda pair: pair[0].value)
        return Gap(_largest([span for span, _ in known]), subject_of(worst), worst["value"], True)
    if by_rule:
        return None
    plain = {
        f"{name} by {by}": Span(found[name]["value"], found[name]["low"], found[name]["high"])
        for by, found in gaps.items()
        for name in PLAIN_GAPS
        if name in found
    }
    if not plain:
        return None
    subject = max(plain, key=lambda name: plain[name].value)
    return Gap(_largest(list(plain.values())), subject, plain[subject].value, False)


def subject_of(rule: Mapping[str, Any]) -> str:
    return f"{rule['measure']} by {rule['by']}"


def share_of_limit(rule: Mapping[str, Any]) -> Span | None:
    """How much of its limit a gap uses: 0 is no gap, 1 the limit. None when it was not measured.

    Of a difference d with limit L that is d / L; of a ratio r, which is 1 without a gap,
    (1 - r) / (1 - L). A limit that allows no gap at all is used infinitely by any.
    """
    ends = [rule.get(key) for key in ("value", "low", "high")]
    if any(end is None for end in ends):
        return None
    value, low, high = (float(end) for end in ends if end is not None)
    bound = float(rule["bound"])
    if rule["direction"] == "at_most":
        return Span(*(_share(gap, bound) for gap in (value, low, high)))
    return Span(*(_share(1 - ratio, 1 - bound) for ratio in (value, high, low)))


def _share(gap: float, limit: float) -> float:
    if limit > 0:
        return gap / limit
    return 0.0 if gap <= 0 else math.inf


def _largest(spans: Sequence[Span]) -> Span:
    return Span(
        max(span.value for span in spans),
        max(span.low for span in spans),
        max(span.high for span in spans),
    )


def front(points: Sequence[Measured], larger_is_better: bool = True) -> list[Measured]:
    """The points that no other one beats in quality and gap at once, by growing gap."""
    known = [point for point in points if point.gap is not None]

    def key(point: Measured) -> tuple[float, float]:
        assert point.gap is not None  # noqa: S101 -- narrows the type: filtered above
        return point.gap.span.value, -_good(point, larger_is_better)

    found: list[Measured] = []
    for point in sorted(known, key=key):
        if not found or _good(point, larger_is_better) > _good(found[-1], larger_is_better):
            found.append(point)
    return found


def choose(points: Sequence[Measured], quality: str, larger_is_better: bool = True) -> Choice:
    """Choose by the rule at the head of this module."""
    if not any(point.rules for point in points):
        return Choice(None, None, None, (), "The gate has no rule, so nothing is chosen.")
    passing = [point for point in points if point.would_pass]
    if not passing:
        near = min(points, key=_shortfall)
        return Choice(
            None, near, None, (),
            f"None of {len(points)} points would pass on validation rows; the nearest is "
            f"{near.name}: {' '.join(rule['sentence'] for rule in near.refusing)}",
        )  # fmt: skip
    best = max(passing, key=lambda point: _good(point, larger_is_better))
    alike = tuple(
        point
        for point in passing
        if abs(point.quality.value - best.quality.value) <= standard_error(point, best)
    )
    chosen = min(alike, key=lambda point: (_high(point), -_good(point, larger_is_better)))
    sentence = (
        f"{len(passing)} of {len(points)} points would pass. {best.name} has the best {quality} of "
        f"them, {best.quality.value:.3f}"
    )
    if len(alike) > 1:
        sentence += (
            f"; these rows cannot tell {len(alike) - 1} more from it (one standard error), and of "
            f"these {chosen.name} keeps furthest from the limits"
        )
    return Choice(chosen, None, best, alike, sentence + ".")


def standard_error(first: Measured, second: Measured) -> float:
    """Of the difference in quality, paired: both were measured in the same resamples."""
    pairs = zip(first.replicates, second.replicates, strict=True)
    differences = [one - other for one, other in pairs]
    return stdev(differences) if len(differences) > 1 else 0.0


def _good(point: Measured, larger_is_better: bool) -> float:
    return point.quality.value if larger_is_better else -point.quality.value


def _high(point: Measured) -> float:
    return point.gap.span.high if point.gap else math.inf


def _shortfall(point: Measured) -> tuple[int, float]:
    """Fewest refusing rules first, then the worst gap's bound."""
    return len(point.refusing), _high(point)
