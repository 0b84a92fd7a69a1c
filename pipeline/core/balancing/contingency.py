"""The contingency table of groups and labels: how many rows each group has of each label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.dataset.groups import levels
from pipeline.core.dataset.labels import class_names, is_positive
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Contingency:
    """Rows counted by group and label.

    Attributes:
        names: The sensitive columns whose crossing makes the groups.
        groups: Each group's level of each column, in the order of their texts.
        labels: The labels, in the order of their texts.
        counts: Shape (groups, labels).
        cells: Each row's cell, shape (rows,): group's number · number of labels + label's number.
    """

    names: tuple[str, ...]
    groups: list[dict[str, str]]
    labels: list[str]
    counts: Ints
    cells: Ints

    def expected(self) -> Floats:
        """The counts that the same margins have where group and label are independent."""
        of_group, of_label = self.counts.sum(axis=1), self.counts.sum(axis=0)
        expected: Floats = np.outer(of_group, of_label.astype(float)) / self.counts.sum()
        return expected

    def rows_of(self, group: int, label: int) -> Ints:
        """The numbers of a cell's rows, ascending."""
        return np.flatnonzero(self.cells == group * len(self.labels) + label)


def contingency(table: pl.DataFrame, names: Sequence[str], columns: Columns) -> Contingency:
    """Count a table's rows by group and label; every group that has rows, every label."""
    numbered = [(texts := levels(table, name, columns), texts.unique().sort()) for name in names]
    number = np.zeros(table.height, dtype=np.int64)
    for texts, known in numbered:
        number = number * len(known) + _positions(texts, known)
    present, group = np.unique(number, return_inverse=True)
    groups = [_named(int(one), names, [known for _, known in numbered]) for one in present]
    texts = labels(table, columns)
    known = texts.unique().sort()
    cells = group * len(known) + _positions(texts, known)
    counts = np.bincount(cells, minlength=len(groups) * len(known))
    return Contingency(
        tuple(names), groups, known.to_list(), counts.reshape(len(groups), len(known)), cells
    )


def labels(table: pl.DataFrame, columns: Columns) -> pl.Series:
    """Each row's label as text, shape (rows,); of a binary target, `yes` and `not yes`.

    Raises:
        ProjectError: the target is a number, or one of several classes is missing.
    """
    if columns.task == "regression":
        raise ProjectError(
            "balance.method: expected a target with classes, found a regression",
            hint="set `balance.method` to `none` or `correlation_remover`",
        )
    if columns.task == "multiclass":
        return class_names(table, columns)
    positive = pl.lit(columns.positive)
    named = pl.when(is_positive(columns)).then(positive).otherwise("not " + positive)
    return table.select(named.alias(columns.target)).to_series()


def check_cells(found: Contingency) -> None:
    """Refuse groups that lack a label: no weight, copy or model makes up for rows never seen."""
    lacking = (found.counts == 0).any(axis=1)
    if lacking.any():
        both = "both classes" if len(found.labels) == 2 else f"all {len(found.labels)} classes"
        raise ProjectError(
            f"balance.method: expected rows of {both} in every group of "
            f"{' × '.join(found.names)}, {lacking.sum()} of {len(found.groups)} groups, "
            f"{found.counts[lacking].sum()} rows in all, lack one",
            hint="balance by fewer columns (`balance.columns`), or set `method: none`; the audit "
            "counts every group",
        )


def _positions(texts: pl.Series, known: pl.Series) -> Ints:
    """The place of each text among the known ones, shape (rows,)."""
    return texts.cast(pl.Enum(known)).to_physical().cast(pl.Int64).to_numpy()


def _named(number: int, names: Sequence[str], known: list[pl.Series]) -> dict[str, str]:
    """The levels that a crossing's number stands for."""
    found = []
    for texts in reversed(known):
        number, level = divmod(number, len(texts))
        found.append(str(texts[level]))
    return dict(zip(names, reversed(found), strict=True))
