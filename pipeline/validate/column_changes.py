"""Which columns of a delivery are gone, new, or only called otherwise.

A column that is gone and one that is new are taken for the same where the new one's values are
those that the contract expects of the old one, and its name or place speaks for it, too.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.core.cleaning.rules import Rule
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.validate.broken_rows import broken_rows, new_values
from pipeline.validate.tolerant_cleaning import Rules, cleaned

COLUMN_SETS = ("expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list")
ABOUT_COLUMNS = (
    *COLUMN_SETS,
    "expect_table_column_count_to_equal",
    "expect_table_column_count_to_be_between",
    "expect_column_to_exist",
)
TELLING = (
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_between",
    "expect_column_values_to_match_regex",
)
"""The expectations by which values are recognised."""
MOST_EXCEPTIONS = 0.01
SURE = 0.65
SURE_BY_LEVELS = 0.5
"""The same levels are met by chance less often than the same range."""
SURE_BY_NAME = 0.8


@dataclass(frozen=True)
class ColumnChanges:
    """What became of the expected columns.

    Attributes:
        renamed: From the old name to the new one.
        missing: Gone, in the contract's order.
        new: In the delivery's order.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.renamed or self.missing or self.new)

    def undone(self, table: pl.DataFrame) -> pl.DataFrame:
        """The table under the names that the contract knows, without what it does not know."""
        return table.rename({new: old for old, new in self.renamed.items()}).drop(self.new)


def column_changes(
    table: pl.DataFrame,
    contract: Mapping[str, Any],
    columns: Columns,
    rules: Iterable[Rule],
    cleaning: Rules,
) -> ColumnChanges:
    """How the columns of `table` differ from those that contract and project name."""
    known = contract_columns(contract) or list(columns.all)
    expected = list(dict.fromkeys((*known, *columns.all)))
    gone = [name for name in expected if name not in table.columns]
    new = [name for name in table.columns if name not in known]
    pairs = []
    for old in gone:
        for name in new:
            score, sure = _likeness(old, name, table, contract, columns, rules, cleaning)
            only = len(gone) == len(new) == 1
            same_place = old in known and known.index(old) == table.columns.index(name)
            score += 0.2 * same_place + 0.1 * only
            if score >= sure:
                pairs.append((-score, gone.index(old), new.index(name)))
    renamed: dict[str, str] = {}
    for _, first, second in sorted(pairs):
        if gone[first] not in renamed and new[second] not in renamed.values():
            renamed[gone[first]] = new[second]
    return ColumnChanges(
        {old: renamed[old] for old in gone if old in renamed},
        tuple(name for name in gone if name not in renamed),
        tuple(name for name in new if name not in renamed.values()),
    )


def contract_columns(contract: Mapping[str, Any]) -> list[str]:
    """The columns that the contract says a delivery has; none where it does not say."""
    for entry in contract["delivered"]["expectations"]:
        if entry["type"] in COLUMN_SETS and entry["kwargs"].get("exact_match", True):
            return list(entry["kwargs"].get("column_set") or entry["kwargs"]["column_list"])
    return []


def check_columns(
    found: list[str], contract: Mapping[str, Any], columns: Columns, name: str
) -> None:
    """Refuse a project file that names other columns than a delivery which the contract knows.

    Raises:
        ProjectError: it does; each column that differs is named.
    """
    absent = [column for column in columns.all if column not in found]
    extra = [column for column in found if column not in columns.all]
    if set(found) == set(contract_columns(contract)) and (absent or extra):
        raise ProjectError(
            f"{name}: expected the {len(columns.all)} columns that project.yaml names, "
            f"found {len(found)}",
            findings=[f"missing column {column!r}" for column in absent]
            + [f"unknown column {column!r}" for column in extra],
            hint="give every column a role under `columns` (`drop` takes a reason), "
            "or ask the sender what changed",
        )


def _likeness(
    old: str,
    new: str,
    table: pl.DataFrame,
    contract: Mapping[str, Any],
    columns: Columns,
    rules: Iterable[Rule],
    cleaning: Rules,
) -> tuple[float, float]:
    """How alike two columns are by values and name, 0 to 0.8, and from where on that is enough."""
    delivered = table.select(pl.col(new).alias(old))
    prepared, _ = cleaned(delivered, rules, columns.model_copy(update={"missing": {}}), cleaning)
    kept: list[bool] = []
    has_levels = False
    for part, rows in (("delivered", delivered), ("prepared", prepared)):
        for entry in contract[part]["expectations"]:
            kwargs = entry["kwargs"]
            if kwargs.get("column") != old or entry["type"] not in TELLING:
                continue
            broken = broken_rows(entry, rows)
            holds = broken is not None and int(broken.sum()) <= MOST_EXCEPTIONS * rows.height
            kept.append(holds)
            has_levels |= holds and _are_levels(rows[old], kwargs.get("value_set", ()))
    fit = sum(kept) / len(kept) if kept else 0.5
    name = difflib.SequenceMatcher(None, _plain(old), _plain(new)).ratio()
    if name >= SURE_BY_NAME:
        return fit + name, 0.0
    return 0.5 * fit + 0.3 * name, SURE_BY_LEVELS if has_levels and fit == 1 else SURE


def _are_levels(values: pl.Series, levels: Iterable[Any]) -> bool:
    """Whether the column has at least half of these levels, of which there are several."""
    known = list(levels)
    distinct = values.drop_nulls().unique()
    met = distinct.len() - new_values(distinct, known).height
    return len(known) > 1 and 2 * met >= len(known)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
