"""What a row's target says; the same everywhere, whatever type cleaning gave the target.

Of a binary task, whether it is the positive value; of a multiclass one, the class as text; of a
regression, a number.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns


def is_positive(columns: Columns) -> pl.Expr:
    """Whether a row's target, as text, is the positive value; a missing one is not."""
    return (pl.col(columns.target).cast(pl.String) == columns.positive).fill_null(False)


def positives(table: pl.DataFrame, columns: Columns) -> pl.Series:
    """`is_positive` of each row, shape (rows,)."""
    return table.select(is_positive(columns)).to_series()


def class_names(table: pl.DataFrame, columns: Columns) -> pl.Series:
    """Each row's class as text, shape (rows,).

    Raises:
        ProjectError: a row has no target.
    """
    names = table[columns.target].cast(pl.String)
    _check_present(names.null_count(), table.height, columns)
    return names


def joining(columns: Columns) -> str:
    """What to do about classes of too few rows."""
    return (
        f"deliver more rows of them, or join rare classes: a rule `replace` with `column: "
        f"{columns.target}` under `clean.rules`, or in a folder of images one class's files moved "
        "into another's folder"
    )


def numbers(table: pl.DataFrame, columns: Columns) -> NDArray[np.float64]:
    """Each row's target as a number, shape (rows,).

    Raises:
        ProjectError: a row has no target, or one that is not a finite number.
    """
    values = table[columns.target]
    _check_present(values.null_count(), table.height, columns)
    found = values.cast(pl.String).cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    if num_wrong := int((~np.isfinite(found)).sum()):
        raise ProjectError(
            f"columns.target: expected a finite number in {columns.target!r} of every row, as the "
            f"task is regression; {num_wrong} of {table.height} rows have another value",
            hint="drop or correct these rows under `clean.rules`, or set another `columns.task`",
        )
    return found


def _check_present(num_missing: int, num_rows: int, columns: Columns) -> None:
    if num_missing:
        raise ProjectError(
            f"columns.target: expected a value of {columns.target!r} in every row, {num_missing} "
            f"of {num_rows} have none",
            hint="drop these rows under `clean.rules` (drop_missing)",
        )
