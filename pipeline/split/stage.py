"""Divide the clean table into parts, so that a row keeps its part when data are delivered anew.

Reads: the clean table; validate's report, so that nothing is divided that breaks the contract as
delivered (clean reads the same snapshot at the same time as validate).
Writes: train, validation, calibration and test .parquet (with `_key`, the hash that decided),
report.json.
Refuses when: a key, a group, or the same image or text is found in two parts, a part has no rows or
lacks a class, a target is not what the task asks for, or the parts' label rates differ by more than
chance explains.
"""

import math
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.dataset.hashing import keyed_hash
from pipeline.core.dataset.labels import positives
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_json, read_parquet, write_json, write_parquet
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.problems import Unsuitable, nearest
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.statistics.intervals import wilson
from pipeline.split.checks import (
    KEY,
    check_leakage,
    check_stratification,
    num_alike_apart,
    num_shared,
    stratification,
)
from pipeline.split.checks import check_classes as check_classes
from pipeline.split.strata import described

SECTIONS = ("columns",)
PARTS = ("train", "validation", "calibration", "test")


class Shares(Frozen):
    train: float = Field(default=0.48, gt=0, lt=1)
    """What the model is fitted on."""
    validation: float = Field(default=0.1, gt=0, lt=1)
    """What training is stopped by."""
    calibration: float = Field(default=0.1, gt=0, lt=1)
    """What probabilities and the threshold are fitted on."""
    test: float = Field(default=0.32, gt=0, lt=1)
    """What the evidence is made of. With less than 0.3 small groups are seldom decided on; the
    hash meets a share up to chance, so the default lies above."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> "Shares":
        total = math.fsum(getattr(self, part) for part in PARTS)
        if abs(total - 1) > 1e-9:
            raise Unsuitable(
                f"expected the four shares to sum to 1, got {total:g}",
                f"name all four, {', '.join(PARTS)}: those that are not named have their defaults",
            )
        return self


BY_EXPECTATION = ("expectations", "prepared", "causes")
"""What of validate's report is not repeated here."""


class Settings(Frozen):
    shares: Shares = Shares()
    """Which share of the rows goes to which part."""
    by: Literal["content", "identifier", "group", "time"] = "content"
    """What decides on a row's part: its features and sensitive columns (`content`), who it is about
    (`identifier`, `group`: all rows of one value stay together), or when it was (`time`:
    the earliest to train, the latest to test)."""
    column: str | None = None
    """The column of the identifier, group or time."""
    key: str = Field(default="hallmark", min_length=1)
    """The key of the hash. Another key is another split."""

    @model_validator(mode="after")
    def _column_goes_with_by(self) -> "Settings":
        if (self.by == "content") != (self.column is None):
            found = "none" if self.column is None else repr(self.column)
            wanted = "no `column`" if self.by == "content" else "`column`"
            raise Unsuitable(
                f"expected {wanted} with `by: {self.by}`, got {found}",
                "`content` needs none; the others go by the values of one: `column: NAME`",
            )
        return self


def run(project: Project[Settings], paths: Paths) -> None:
    settings, columns = project.settings, project.columns
    contract = read_json(paths.input("validate", "report.json"))
    table = read_parquet(paths.input("clean", "table.parquet"))
    content = part(project.modality, "data.content")
    parts = divide(table, settings, columns, content)
    named = settings.column if settings.by in ("identifier", "group") else None
    leakage = {name: num_shared(parts, name) for name in (KEY, named) if name}
    if settings.by != "content" and (whole := columns.image or columns.text):
        leakage[whole] = num_alike_apart(parts, columns, content)
    check_leakage(leakage)
    check_classes(parts, columns)
    tests = stratification(parts, columns, settings.by)
    check_stratification(tests)
    report = {
        "by": settings.by,
        "column": settings.column,
        "rows": table.height,
        "delivered": {key: value for key, value in contract.items() if key not in BY_EXPECTATION},
        "parts": {name: describe(rows, columns, table.height) for name, rows in parts.items()},
        "stratification": tests,
        "leakage": {"num_keys_in_two_parts": leakage[KEY]},
    }
    for name, rows in parts.items():
        write_parquet(paths.output(f"{name}.parquet"), rows)
    write_json(paths.output("report.json"), report)


def divide(
    table: pl.DataFrame, settings: Settings, columns: Columns, content: Any
) -> dict[str, pl.DataFrame]:
    """The parts by name, in the order of PARTS, each with the column `_key` (UInt64).

    `content` is the modality's module of that name, which knows when two rows are the same.
    """
    _check_columns(table, settings)
    keys = keyed_hash(_told_apart_by(table, settings, columns, content), settings.key)
    table = table.with_columns(pl.Series(KEY, keys, dtype=pl.UInt64))
    if settings.by == "time":
        number = _by_time(table[str(settings.column)], settings.shares)
    else:
        number = _by_key(keys, settings.shares)
    return {name: table.filter(pl.Series(number == i)) for i, name in enumerate(PARTS)}


def _told_apart_by(
    table: pl.DataFrame, settings: Settings, columns: Columns, content: Any
) -> pl.DataFrame:
    """What tells rows apart: those that are the same in it share a part."""
    if settings.by in ("identifier", "group"):
        return table.select(settings.column)
    found: pl.DataFrame = content.keys(table, columns)
    return found.with_columns(table[settings.column]) if settings.column else found


def _check_columns(table: pl.DataFrame, settings: Settings) -> None:
    if KEY in table.columns:
        raise ProjectError(
            f"expected no delivered column {KEY!r}: split adds it",
            hint=f"rename the delivered column {KEY!r} at its source",
        )
    name = settings.column
    if name is None:
        return
    if name not in table.columns:
        raise ProjectError(
            f"split.column: expected a column of the table, got {name!r}",
            hint=nearest(name, tuple(table.columns)),
        )
    if num_missing := table[name].null_count():
        raise ProjectError(
            f"split.column: expected a value of {name!r} in every row, "
            f"{num_missing} of {table.height} have none",
            hint="drop these rows under `clean.rules` (drop_missing), or split `by: content`",
        )
    dtype = table.schema[name]
    if settings.by == "time" and not (dtype.is_temporal() or dtype.is_numeric()):
        raise ProjectError(
            f"split.column: expected a date, a time or a number in {name!r}, found {dtype}",
            hint="text does not sort by time: cast it under `clean.rules`",
        )


def _by_key(keys: NDArray[np.uint64], shares: Shares) -> NDArray[np.int64]:
    """The part's number by where the key falls between 0 and 2⁶⁴."""
    limits = np.array([int(edge * 2**64) for edge in _edges(shares)], dtype=np.uint64)
    return np.searchsorted(limits, keys, side="right")


def _by_time(times: pl.Series, shares: Shares) -> NDArray[np.int64]:
    """The part's number by how many rows are earlier; rows of one time stay together."""
    earlier = (times.rank("min").to_numpy() - 1) / max(times.len(), 1)
    return np.searchsorted(np.array(_edges(shares)), earlier, side="right")


def _edges(shares: Shares) -> list[float]:
    """Where a part ends and the next begins, as shares of the whole; the last end is left out."""
    sizes = [getattr(shares, part) for part in PARTS]
    return [math.fsum(sizes[: i + 1]) for i in range(len(sizes) - 1)]


def describe(rows: pl.DataFrame, columns: Columns, num_all: int) -> dict[str, Any]:
    """A part's size, label rate and, by sensitive column, the share of each group."""
    return {
        "rows": rows.height,
        "share": round(rows.height / num_all, 6),
        **(_label_rate(rows, columns) if columns.task == "binary" else described(rows, columns)),
        "groups": {name: _group_shares(rows, name) for name in columns.sensitive},
    }


def _label_rate(rows: pl.DataFrame, columns: Columns) -> dict[str, Any]:
    num_positive = int(positives(rows, columns).sum())
    low, high = wilson(np.array([float(num_positive)]), np.array([float(rows.height)]))
    return {
        "num_positive": num_positive,
        "positive_rate": round(num_positive / rows.height, 6),
        "positive_rate_low": round(float(low[0]), 6),
        "positive_rate_high": round(float(high[0]), 6),
    }


def _group_shares(rows: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    text = rows.schema[name] == pl.Boolean or rows.schema[name].is_temporal()
    group = pl.col(name).cast(pl.String) if text else pl.col(name)
    counts = rows.group_by(group.alias("group")).agg(num_rows=pl.len())
    return [
        {"group": group, "num_rows": num, "share": round(num / rows.height, 6)}
        for group, num in counts.sort("group", nulls_last=True).iter_rows()
    ]
