"""What a person should look at before anything is built, the most urgent first."""

from collections.abc import Mapping

from pipeline.core.proposal import Finding, ProposedColumn
from pipeline.tabular import column_suspicions
from pipeline.tabular.roles import Assigned
from pipeline.tabular.spellings import Reading

URGENCY = (
    "leak",
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
    readings: Mapping[str, Reading],
    columns: list[ProposedColumn],
    assigned: Mapping[str, Assigned],
) -> tuple[Finding, ...]:
    """Everything that was seen; the order within a kind is the table's."""
    found = column_suspicions.of_columns(readings, columns, assigned)
    return tuple(sorted(found, key=lambda one: URGENCY.index(one.kind)))
