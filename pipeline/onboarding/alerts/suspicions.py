"""What a person should look at before anything is built, the most urgent first."""

from collections.abc import Mapping

import polars as pl

from pipeline.onboarding.alerts import (
    column_suspicions,
    group_sizes,
    leaks,
    near_duplicates,
    sensitive_looks,
    table_suspicions,
)
from pipeline.onboarding.columns.proposal import Finding, ProposedColumn
from pipeline.onboarding.columns.roles import Assigned
from pipeline.onboarding.columns.spellings import Reading
from pipeline.onboarding.columns.targets import Decision

URGENCY = (
    "leak",
    "too_good",
    "looks_sensitive",
    "rare_target",
    "small_group",
    "near_duplicate",
    "missing",
    "free_text",
    "many_levels",
    "constant",
    "other",
)


def findings(
    table: pl.DataFrame,
    readings: Mapping[str, Reading],
    columns: list[ProposedColumn],
    assigned: Mapping[str, Assigned],
    decision: Decision,
    seed: int,
) -> tuple[Finding, ...]:
    """Everything that was seen; the order within a kind is the table's."""
    target = next(column.name for column in columns if column.role == "target")
    found = [
        *leaks.leaks(readings, columns, target, decision, seed),
        *sensitive_looks.looks_sensitive(readings, columns),
        *table_suspicions.of_target(readings[target], decision),
        *group_sizes.small_groups(readings, columns, target),
        *near_duplicates.near_duplicates(readings, columns, seed),
        *column_suspicions.of_columns(readings, columns, assigned),
        *table_suspicions.times(readings, columns),
        *table_suspicions.copies(table),
    ]
    return tuple(sorted(found, key=lambda one: URGENCY.index(one.kind)))
