"""A rule of the gate as `hallmark init` proposes it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.onboarding.columns.proposal import Finding

CONFIDENCE = 0.95
"""Of the one-sided bounds, as `evaluate` and `assess` have it when nothing is said."""


@dataclass(frozen=True)
class ProposedRule:
    """One rule.

    Attributes:
        rule: As `gate.rules` has it.
        comment: Where its limit comes from, in one sentence.
        is_active: Whether it is proposed; else it stands in the file as a comment, for a person.
        spare: Keys of the rule that a person may take in, with the text that they would have.
        finding: What a person should know of it.
    """

    rule: Mapping[str, Any]
    comment: str = ""
    is_active: bool = True
    spare: Mapping[str, str] = field(default_factory=dict)
    finding: Finding | None = None


def rounded_up(value: float, digits: int = 2) -> float:
    """To so many significant digits."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{math.ceil(round(value / unit, 6)) * unit:.10g}")
