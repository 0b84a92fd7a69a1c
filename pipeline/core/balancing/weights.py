"""Weights of rows that were delivered, such as a survey's: they count in training alone."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns

Floats = NDArray[np.float64]


def check_weights(table: pl.DataFrame, columns: Columns) -> None:
    """Refuse delivered weights that cannot weigh a row; names counts, never a value.

    Raises:
        ProjectError: a row has no weight, or one that is no finite number above zero.
    """
    name = columns.weight
    if name is None:
        return
    values = table[name]
    if not values.dtype.is_numeric():
        raise ProjectError(
            f"columns.weight: expected numbers in {name!r} after cleaning, found {values.dtype}",
            hint=f"add a rule `cast` for {name!r} under `clean.rules`, or move it to "
            "`columns.drop` with the reason",
        )
    number = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    wrong = {
        "missing": int(np.isnan(number).sum()),
        "negative": int((number < 0).sum()),
        "zero": int((number == 0).sum()),
        "infinite": int((number == np.inf).sum()),
    }
    if any(wrong.values()):
        raise ProjectError(
            f"columns.weight: expected a finite number above zero in {name!r} of every row, "
            f"{sum(wrong.values())} of {table.height} rows have none",
            findings=[f"{count} {kind}" for kind, count in wrong.items() if count],
            hint="drop these rows under `clean.rules` (outside_range with `action: drop_row`, "
            f"drop_missing), or move {name!r} to `columns.drop` with the reason",
        )


def delivered(table: pl.DataFrame, columns: Columns) -> Floats | None:
    """Each row's weight, shape (rows,), of mean 1; None without a column of weights.

    A row that was made and has none weighs as much as a delivered one does on average.
    """
    if columns.weight is None:
        return None
    values = table[columns.weight].cast(pl.Float64)
    number: Floats = (values / values.max()).fill_null(np.nan).to_numpy()
    number = number / np.nanmean(number)
    return np.where(np.isnan(number), 1.0, number)


def described(weights: Floats, name: str) -> dict[str, Any]:
    """What a reader must know of weights: how far they reach, and how many equally weighted rows
    say as much. Source: L. Kish, Survey sampling, 1965."""
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return {
        "column": name,
        "min": round(float(weights.min()), 6),
        "max": round(float(weights.max()), 6),
        "effective_rows": round(effective, 1),
    }
