"""Reweighing: rows weigh so that group and label are independent."""

from pipeline.core.balancing.contingency import Contingency, Floats


def weights(found: Contingency) -> Floats:
    """The weight P(s) P(y) / P(s, y) of each group s and label y, shape (groups, labels).

    Source: F. Kamiran and T. Calders, Data preprocessing techniques for classification without
    discrimination, Knowledge and Information Systems 33 (2012) 1-33, algorithm 3. Over all rows
    the weights' mean is 1 when each group has rows of every label.
    """
    result: Floats = found.expected() / found.counts
    return result
