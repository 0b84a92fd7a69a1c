"""That sensitive columns are named, or somebody says why not: a rule of every gate.

Without either nothing is known about groups, and that is too little evidence, never a pass.
"""

from typing import Any

from pipeline.core.verdict.standing_rule import decided

TITLE = "sensitive columns named"
"""The rule's title, by which it is overridden."""
SENTENCE = (
    "Insufficient evidence: no sensitive column was named, so nothing is known about groups. Name "
    "columns under `columns.sensitive`, or give the reason under `columns.no_sensitive` "
    '(`hallmark init --no-sensitive "reason"`).'
)


class SensitiveNamed:
    """The rule as `hallmark override` finds it among those of project.yaml."""

    title = subject = TITLE


def decide_named(assessment: dict[str, Any]) -> dict[str, Any] | None:
    """The rule's outcome by assess's report; None where it has nothing to refuse."""
    if assessment["model"] or assessment.get("no_sensitive"):
        return None
    return decided(TITLE, "insufficient", SENTENCE)
