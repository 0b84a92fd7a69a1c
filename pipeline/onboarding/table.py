"""What `hallmark init` proposes for a table: roles, cleaning rules, the task, what to look at."""

import polars as pl

from pipeline.core.dataset.groups import MAX_LEVELS
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Missing, Task
from pipeline.core.settings.problems import nearest
from pipeline.onboarding import proposed_rules
from pipeline.onboarding.alerts import suspicions
from pipeline.onboarding.columns import group_edges, roles, targets
from pipeline.onboarding.columns.proposal import Proposal, ProposedColumn, Role
from pipeline.onboarding.columns.spellings import Reading, read


def propose(
    table: pl.DataFrame,
    target: str,
    *,
    positive: str | None = None,
    sensitive: tuple[str, ...] = (),
    task: Task | None = None,
    seed: int = 0,
) -> Proposal:
    """What each column of a snapshot is for, how it is cleaned, and what a person should look at.

    Args:
        table: The snapshot: of a csv all text, of other formats typed.
        target: The column to predict.
        positive: The target's value that counts as positive; found where it is None.
        sensitive: The columns whose groups are audited; no features.
        task: What is predicted, where a person has said so; else the target's values say it.
        seed: Of the sample that costly searches are made on.

    Raises:
        ProjectError: a named column is absent, nothing can be learnt from the target, or a
            sensitive column has no groups.
    """
    _check_names(table, target, sensitive)
    readings = {name: read(table[name], keep_words=name == target) for name in table.columns}
    decision = targets.decide(readings[target], positive, task)
    assigned = roles.assign(readings.values(), target=target, sensitive=sensitive)
    columns = []
    for name, reading in readings.items():
        if name == target:
            columns.append(ProposedColumn(name, "target", decision.reason))
        elif name in sensitive:
            columns.append(_sensitive(reading))
        else:
            role, reason = assigned[name].role, assigned[name].reason
            columns.append(ProposedColumn(name, role, reason, _missing(reading, role)))
    return Proposal(
        task=decision.task,
        positive=decision.positive,
        columns=tuple(columns),
        rules=proposed_rules.rules(readings.values(), columns, target, decision.mapping),
        findings=suspicions.findings(table, readings, columns, assigned, decision, seed),
    )


def _check_names(table: pl.DataFrame, target: str, sensitive: tuple[str, ...]) -> None:
    known = tuple(table.columns)
    if target not in known:
        raise ProjectError(
            f"--target {target}: expected a column of the file, found none of this name",
            hint=nearest(target, known),
        )
    for name in sensitive:
        if name not in known:
            raise ProjectError(
                f"--sensitive {name}: expected a column of the file, found none of this name",
                hint=nearest(name, known),
            )
        if name == target:
            raise ProjectError(
                f"--sensitive {name}: expected another column than the target",
                hint="groups are compared by what is predicted for them; leave it out",
            )
        if sensitive.count(name) > 1:
            raise ProjectError(
                f"--sensitive {name}: expected each column once, found it twice",
                hint="name it once",
            )


def _sensitive(reading: Reading) -> ProposedColumn:
    """A sensitive column with its groups.

    Raises:
        ProjectError: it has no two groups, or holds what cannot be groups.
    """
    if reading.num_distinct < 2:
        raise ProjectError(
            f"--sensitive {reading.name}: expected at least two groups, found "
            f"{reading.num_distinct}",
            hint="there is nothing to compare: leave it out, or ask for data with all groups",
        )
    if reading.kind in ("other", "date", "datetime"):
        raise ProjectError(
            f"--sensitive {reading.name}: expected groups, found {reading.kind}s"
            if reading.is_date
            else f"--sensitive {reading.name}: expected groups, found {reading.delivered}",
            hint="make groups of it at its source, such as the age in years of a date of birth",
        )
    if reading.kind == "text" and reading.num_distinct > max(
        MAX_LEVELS, 0.1 * reading.values.len()
    ):
        raise ProjectError(
            f"--sensitive {reading.name}: expected groups, found text with "
            f"{reading.num_distinct} values in {reading.values.len()} rows",
            hint="bring them together into groups at the source, or leave it out",
        )
    if not reading.is_number:
        num = reading.num_distinct
        return ProposedColumn(reading.name, "sensitive", f"named as sensitive: {num} groups")
    cut = group_edges.edges(reading.values)
    if cut:
        shown = ", ".join(f"{edge:g}" for edge in cut)
        why = f"named as sensitive: a number, cut at {shown} into {len(cut) + 1} groups"
    else:
        why = f"named as sensitive: {reading.num_distinct} groups, one of each number"
    return ProposedColumn(reading.name, "sensitive", why, edges=cut)


def _missing(reading: Reading, role: Role) -> Missing | None:
    """What a feature's missing values become; None where none are missing, or of no feature."""
    if not reading.num_missing or role not in ("numeric", "date", "categorical"):
        return None
    return "level" if role == "categorical" else "median"
