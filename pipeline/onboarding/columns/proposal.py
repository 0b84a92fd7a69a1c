"""What `hallmark init` proposes for a file that nobody has described yet, and why.

A modality makes it, `part(modality, "proposal").propose`; the command writes it into a project and
shows it to a person, who decides.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.core.settings.columns import Missing, Task

Role = Literal[
    "target", "numeric", "categorical", "date", "sensitive", "identifier", "weight", "drop"
]
Kind = Literal[
    "leak",
    "too_good",
    "constant",
    "near_duplicate",
    "looks_sensitive",
    "rare_target",
    "small_group",
    "free_text",
    "many_levels",
    "missing",
    "other",
]


@dataclass(frozen=True)
class ProposedColumn:
    """One delivered column.

    Attributes:
        name: As delivered.
        role: What it is for.
        reason: Why, in one line; never a value of a sensitive or identifying column.
        missing: What its missing values become; None where none are missing.
        edges: Where a sensitive number is cut into groups; empty of anything else.
    """

    name: str
    role: Role
    reason: str
    missing: Missing | None = None
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What a person should look at.

    Attributes:
        kind: What kind of thing it is.
        columns: The columns that it is about.
        sentence: What was seen, with its number.
        advice: What to do, with the key of project.yaml to change.
    """

    kind: Kind
    columns: tuple[str, ...]
    sentence: str
    advice: str


@dataclass(frozen=True)
class Proposal:
    """What is proposed for a whole table.

    Attributes:
        task: What is predicted.
        positive: Of a binary task, the target's value that counts as positive, after cleaning.
        columns: In the table's order.
        rules: The cleaning rules, as `clean.rules` has them.
        findings: What a person should look at, the most urgent first.
    """

    task: Task
    positive: str
    columns: tuple[ProposedColumn, ...]
    rules: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]

    def named(self, role: Role) -> list[str]:
        """The columns with this role, in the table's order."""
        return [column.name for column in self.columns if column.role == role]
