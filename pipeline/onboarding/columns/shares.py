"""Shares and numbers of a column as plain floats."""

import polars as pl

SAMPLE = 10_000


def share_matching(values: pl.Series, pattern: str) -> float:
    """The share of texts, of the first ten thousand, that match a pattern; 0 of none."""
    head = values.head(SAMPLE)
    return num_true(head.str.contains(pattern)) / head.len() if head.len() else 0.0


def num_true(mask: pl.Series) -> int:
    """How many are true; what is missing is not."""
    return int(mask.fill_null(False).sum())


def lowest(values: pl.Series) -> float:
    """The least number; nan of none."""
    return _number(values.cast(pl.Float64).min())


def highest(values: pl.Series) -> float:
    """The greatest number; nan of none."""
    return _number(values.cast(pl.Float64).max())


def mean(values: pl.Series) -> float:
    """The mean; nan of none."""
    return _number(values.cast(pl.Float64).mean())


def _number(found: object) -> float:
    return found if isinstance(found, float) else float("nan")
