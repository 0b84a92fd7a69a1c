"""Groups of people: the values of sensitive columns, numbers cut at stated edges, and crossings.

Every stage that compares groups names them with this module, so that one group has one name.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations, pairwise

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns

CROSS = " × "
MISSING = "(missing)"
MAX_LEVELS = 50
"""A sensitive number with more values than this needs edges: each value would be a group."""


def crossings(sensitive: Sequence[str], max_depth: int) -> list[tuple[str, ...]]:
    """Each sensitive column alone, then pairs, and so on up to `max_depth` columns together."""
    depths = range(1, min(max_depth, len(sensitive)) + 1)
    return [names for depth in depths for names in combinations(sensitive, depth)]


def levels(table: pl.DataFrame, name: str, columns: Columns) -> pl.Series:
    """Each row's group by one sensitive column, as text; shape (rows,).

    A number is named by its range between `columns.sensitive_edges`; what is missing, `(missing)`.

    Raises:
        ProjectError: a number with many values has no edges, what has edges is no number, or a
            value holds what joins the names of crossed groups, so that two groups could have one.
    """
    values = table[name]
    edges = columns.sensitive_edges.get(name)
    if edges is None and values.dtype.is_numeric() and values.n_unique() > MAX_LEVELS:
        raise ProjectError(
            f"columns.sensitive: expected groups of {name!r}, found a number with "
            f"{values.n_unique()} values",
            hint=f"say where to cut it: `columns.sensitive_edges: {{{name}: [25, 45, 65]}}`",
        )
    if edges is not None and not values.dtype.is_numeric():
        raise ProjectError(
            f"columns.sensitive_edges.{name}: expected a column of numbers, found {values.dtype}",
            hint="cast it under `clean.rules`, or take its edges out",
        )
    if values.dtype.is_temporal() and values.n_unique() > MAX_LEVELS:
        raise ProjectError(
            f"columns.sensitive: expected groups of {name!r}, found {values.n_unique()} dates",
            hint="deliver what the groups differ by, such as an age or a year, as a number, and "
            "say under `columns.sensitive_edges` where to cut it",
        )
    found = level_names(values, edges)
    if found.str.contains(CROSS, literal=True).any():
        raise ProjectError(
            f"columns.sensitive: expected values of {name!r} without {CROSS!r}, which joins the "
            "names of crossed groups, found some with it",
            hint="write them otherwise under `clean.rules`",
        )
    return found


def level_names(values: pl.Series, edges: Sequence[float] | None) -> pl.Series:
    """Each value's group as text; numbers with edges by their range, shape (rows,).

    What is no number (nan) is missing: it lies in no range.
    """
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if edges is None:
        return values.cast(pl.String).fill_null(MISSING)
    names = range_names(edges)
    cut = pl.Series(edges, dtype=pl.Float64).search_sorted(
        values.cast(pl.Float64).fill_null(edges[0]), side="right"
    )
    texts = cut.replace_strict(range(len(names)), names, return_dtype=pl.String)
    known = pl.when(values.is_not_null()).then(texts).otherwise(pl.lit(MISSING))
    return pl.select(known.alias(values.name)).to_series()


def level_order(found: pl.Series, columns: Columns) -> list[str]:
    """The groups of `levels` as people would list them: ranges and numbers ascending, `(missing)`
    last."""
    present = set(found.unique().to_list())
    edges = columns.sensitive_edges.get(found.name)
    if edges is not None:
        return [name for name in (*range_names(edges), MISSING) if name in present]
    known = sorted(present - {MISSING})
    with suppress(ValueError):  # texts stay in the order of their letters
        known.sort(key=float)
    return [*known, *(present & {MISSING})]


def range_names(edges: Sequence[float]) -> list[str]:
    """`< 25`, `25 to < 45`, `≥ 45` for the edges 25 and 45."""
    inner = [f"{low:g} to < {high:g}" for low, high in pairwise(edges)]
    return [f"< {edges[0]:g}", *inner, f"≥ {edges[-1]:g}"]


def group_names(table: pl.DataFrame, names: Sequence[str], columns: Columns) -> pl.Series:
    """Each row's group by several sensitive columns, `Female × Black`; shape (rows,)."""
    parts = pl.DataFrame([levels(table, name, columns) for name in names])
    return parts.select(
        pl.concat_str(pl.all(), separator=CROSS).alias(CROSS.join(names))
    ).to_series()
