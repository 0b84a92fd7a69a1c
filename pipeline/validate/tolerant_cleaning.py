"""Clean a table that may be anything, so that what is wrong with it can be told.

What a rule would refuse becomes missing here, and a rule that does not suit a column is left out
for that column; `clean` itself refuses.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import polars as pl

from pipeline.core.cleaning.cleaning import of_finite_numbers, with_positions, without_gaps
from pipeline.core.cleaning.rules import Rule, named_columns, tolerant
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns


class Rules(Protocol):
    """How a modality cleans: its module `cleaning`."""

    def apply(self, table: pl.DataFrame, rules: Iterable[Rule]) -> tuple[pl.DataFrame, Any]: ...


def cleaned(
    table: pl.DataFrame, rules: Iterable[Rule], columns: Columns, cleaning: Rules
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table as the rules and `columns.missing` leave it.

    Returns:
        The table, and for each column that a rule does not suit, why.
    """
    refused: dict[str, str] = {}
    table, _ = of_finite_numbers(with_positions(table))
    for rule in rules:
        for one in _parts(rule, table, cleaning):
            try:
                table, _ = cleaning.apply(table, (one,))
            except ProjectError as error:
                names = named_columns(one) or tuple(table.columns)
                refused.update(dict.fromkeys(names, error.message))
    missing = {name: how for name, how in columns.missing.items() if name in table.columns}
    table, _ = without_gaps(table, columns.model_copy(update={"missing": missing}))
    return table, refused


def _parts(rule: Rule, table: pl.DataFrame, cleaning: Rules) -> list[Rule]:
    """The rule as it is where it suits the table; else a rule for each of its columns."""
    whole = tolerant(rule, table.columns)
    if whole is None:
        return []
    try:
        cleaning.apply(table.head(1000), (whole,))
    except ProjectError:
        alone = [tolerant(rule, (name,)) for name in named_columns(whole)]
        return [one for one in alone if one is not None] or [whole]
    return [whole]
