"""Resampling: rows are repeated or left out so that group and label are independent.

Source: F. Kamiran and T. Calders, Data preprocessing techniques for classification without
discrimination, Knowledge and Information Systems 33 (2012) 1-33. Uniform sampling gives each row of
a group and label the same chance; preferential sampling repeats and leaves out first those that lie
nearest to the other labels, where they move the boundary most.
"""

from typing import Literal

import numpy as np

from pipeline.core.balancing.contingency import Contingency, Floats, Ints

Sampling = Literal["over", "under", "to_size"]
Drawing = Literal["uniform", "preferential"]


def sizes(found: Contingency, sampling: Sampling) -> Ints:
    """How many rows each group gets of each label, shape (groups, labels).

    All are the independent counts times one factor: 1 keeps the number of rows (`to_size`), the
    smallest that leaves out no row is `over`, the largest that repeats none is `under`. Rounding
    to whole rows is all that is left of the dependence.
    """
    expected = found.expected()
    ratio = found.counts / expected
    factor = {"to_size": 1.0, "over": ratio.max(), "under": ratio.min()}[sampling]
    rounded: Ints = np.maximum(np.rint(factor * expected), 1).astype(np.int64)
    return rounded


def drawn(found: Contingency, wanted: Ints, first: Floats) -> Ints:
    """The numbers of the drawn rows, ascending, a repeated row as often as it was drawn.

    Within a cell each row is drawn equally often, give or take one. Rows with small values of
    `first` are the first to be drawn once more where rows are to be added, and the first to be
    left out where some are to go.

    Args:
        wanted: Rows of each cell, shape (groups, labels).
        first: The order within cells, shape (rows,): chance, or a score.
    """
    parts = []
    for group, label in np.ndindex(found.counts.shape):
        rows = found.rows_of(group, label)
        rows = rows[np.argsort(first[rows], kind="stable")]
        times, rest = divmod(int(wanted[group, label]), len(rows))
        again = rows[:rest] if times else rows[len(rows) - rest :]
        parts += [np.repeat(rows, times), again]
    return np.sort(np.concatenate(parts))


def topped_up(found: Contingency) -> Ints:
    """The sizes that make group and label independent when rows are only added, as few as may be.

    Every group gets the label rates of one of the groups: of the one for which the fewest rows are
    to be added to all others. Shape (groups, labels).
    """
    known = found.counts[(found.counts > 0).all(axis=1)].astype(float)
    candidates = []
    for rates in known / known.sum(axis=1, keepdims=True):
        of_group = (found.counts / rates).max(axis=1)
        candidates.append(np.maximum(np.rint(np.outer(of_group, rates)), found.counts))
    best: Ints = min(candidates, key=lambda wanted: float(wanted.sum())).astype(np.int64)
    return best


def at_least(found: Contingency, min_rows: int) -> Ints:
    """The sizes that bring each group and label up to a number of rows; shape (groups, labels)."""
    return np.maximum(found.counts, min_rows)
