"""Resampling: rows are repeated or left out so that group and label are independent.

Source: F. Kamiran and T. Calders, Data preprocessing techniques for classification without
discrimination, Knowledge and Information Systems 33 (2012) 1-33, uniform sampling (algorithm 4):
within a group and label every row has the same chance.
"""

from typing import Literal

import numpy as np

from pipeline.core.contingency import Contingency, Ints

Sampling = Literal["over", "under", "to_size"]


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


def drawn(found: Contingency, wanted: Ints, seed: int) -> Ints:
    """The numbers of the drawn rows, ascending, a repeated row as often as it was drawn.

    Within a cell each row is drawn equally often, give or take one; which rows are drawn once
    more is up to the seed.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for group, label in np.ndindex(found.counts.shape):
        rows = found.rows_of(group, label)
        times, rest = divmod(int(wanted[group, label]), len(rows))
        parts += [np.repeat(rows, times), rng.permutation(rows)[:rest]]
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
