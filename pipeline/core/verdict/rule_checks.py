"""Rules of a gate beside their project: those on what this project does not measure are refused.

What a rule must be in itself stands in `gate_rules`.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import ProjectError
from pipeline.core.metrics.measures import COUNTERFACTUAL, GAPS_OF, METRICS_OF
from pipeline.core.settings.columns import Task
from pipeline.core.settings.problems import nearest
from pipeline.core.verdict.gate_rules import PAIRED_OF, Rule


def check_task(rules: Sequence[Rule], task: Task, source: Path | str = "project.yaml") -> None:
    """Refuse rules on measures of another task, before anything is trained for them.

    Raises:
        ProjectError: a rule names one; the message names the measures that this task has.
    """
    for rule in rules:
        of_groups = PAIRED_OF if rule.against == "champion" else GAPS_OF
        known = (METRICS_OF if rule.by is None else of_groups)[task]
        if rule.measure == COUNTERFACTUAL:
            check_swapped_limit(rule, task, source)
        elif rule.measure not in known:
            where = f" against the {rule.against}" if rule.against else ""
            where += "" if rule.by is None else " with `by`"
            raise ProjectError(
                f"{source}: gate.rules: rule `{rule.title}`: expected a measure of the task "
                f"{task}, got {rule.measure}",
                hint=f"known{where} are: {', '.join(known)}",
            )


def check_swapped_limit(rule: Rule, task: Task, source: Path | str) -> None:
    """Refuse a limit that no change of a probability can break."""
    if task != "regression" and not 0 <= rule.bound <= 1:
        raise ProjectError(
            f"{source}: gate.rules: rule `{rule.title}`: expected a limit between 0 and 1, got "
            f"{rule.bound:g}",
            hint="it is a change of a probability: five points are written 0.05",
        )


def check_swaps(
    rules: Sequence[Rule], known: Sequence[str], source: Path | str = "project.yaml"
) -> None:
    """Refuse rules on swapped words whose `by` names no word list.

    Args:
        rules: Of the gate.
        known: The word lists; empty where the modality swaps nothing.
        source: What messages call the file.

    Raises:
        ProjectError: a rule names another.
    """
    for rule in rules:
        if rule.measure == COUNTERFACTUAL and rule.by not in known:
            wanted = f"one of {'; '.join(known)}" if known else "no such rule"
            raise ProjectError(
                f"{source}: gate.rules: rule `{rule.title}`: `by` is {rule.by!r}, expected "
                f"{wanted}",
                hint=nearest(str(rule.by), tuple(known))
                if known
                else "words are swapped in texts alone: remove the rule",
            )


def check_groupings(
    rules: Sequence[Rule], known: Sequence[str], source: str = "project.yaml"
) -> None:
    """Refuse rules whose `by` names no grouping, where there are groupings at all.

    Args:
        rules: Of the gate.
        known: The groupings that are compared; empty where no column is named as sensitive.
        source: What messages call the file.

    Raises:
        ProjectError: a rule names another.
    """
    for rule in rules:
        if rule.compares_groups and known and rule.by not in known:
            raise ProjectError(
                f"{source}: gate.rules: rule `{rule.title}`: `by` is {rule.by!r}, "
                f"expected one of {', '.join(known)}",
                hint=close
                if (close := nearest(str(rule.by), tuple(known))).startswith("did you mean")
                else "groups are compared by sensitive columns: name one of these, or add the "
                "column to `columns.sensitive`",
            )
