"""What a split is refused for: values that two parts share, a class that a part lacks, and label
rates that differ by more than chance explains.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from pipeline.core.dataset.labels import positives
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.split.strata import check_strata, chi_square, strata

KEY = "_key"
"""The column of the hash that decided on a row's part."""
ALPHA = 1e-4
"""The level of the test on label rates: one sound split in ten thousand is refused."""
MIN_SINGLE = 0.5
"""With more copies than this, rows do not fall independently and the test decides nothing."""


def num_shared(parts: Mapping[str, pl.DataFrame], column: str) -> int:
    """How many values of `column` are found in two parts or more."""
    values = [
        rows.select(column).unique().with_columns(part=pl.lit(i))
        for i, rows in enumerate(parts.values())
    ]
    return pl.concat(values).group_by(column).agg(pl.len()).filter(pl.col("len") > 1).height


def num_alike_apart(parts: Mapping[str, pl.DataFrame], columns: Columns, content: Any) -> int:
    """How many images or texts are the same, by `content`, in two parts or more."""
    rows = pl.concat([some.select(columns.features) for some in parts.values()])
    number = np.repeat(np.arange(len(parts)), [some.height for some in parts.values()])
    found: pl.DataFrame = content.keys(rows, columns)
    keys = found.select(pl.first().alias("key"), part=pl.Series(number))
    return keys.drop_nulls().group_by("key").n_unique().filter(pl.col("part") > 1).height


def check_leakage(shared: Mapping[str, int]) -> None:
    """Refuse parts that share keys, or values of the identifier or group; never names a value."""
    for name, num in shared.items():
        if num:
            raise ProjectError(
                f"split: expected every value of {name!r} in one part alone, "
                f"found {num} in two or more",
                hint="split `by: group` with a column that keeps together what belongs together, "
                "or drop duplicates under `clean.rules`",
            )


def check_classes(parts: Mapping[str, pl.DataFrame], columns: Columns) -> None:
    """Refuse a part that lacks rows of a class; where the target is a number, one without rows."""
    if columns.task != "binary":
        check_strata(parts, columns)
        return
    findings = []
    for name, rows in parts.items():
        num_positive = int(positives(rows, columns).sum())
        if num_positive in (0, rows.height):
            findings.append(f"{name}: {rows.height} rows, {num_positive} of them positive")
    if findings:
        raise ProjectError(
            "split: expected rows of both classes in every part",
            findings=findings,
            hint="give these parts a larger share under `split.shares`, or deliver more rows",
        )


def stratification(parts: Mapping[str, pl.DataFrame], columns: Columns, by: str) -> dict[str, Any]:
    """A chi-square test of each part's label rate against that of all other rows.

    One degree of freedom, no correction (Pearson 1900). It decides only where rows fall
    independently: rows of one group fall together, and so do copies, of which there may be few; a
    rate may well change over time. Where the target has several classes, or is a number, see
    `pipeline.split.strata`.
    """
    tests = _label_rates(parts, columns) if columns.task == "binary" else _strata(parts, columns)
    return {
        "alpha": ALPHA,
        "decides": by in ("content", "identifier") and are_mostly_single(parts),
        "success": all(test["p_value"] >= ALPHA for test in tests.values()),
        "parts": tests,
    }


def are_mostly_single(parts: Mapping[str, pl.DataFrame]) -> bool:
    """Whether rows with a key of their own, or the first of it, are at least MIN_SINGLE of all."""
    num_keys = sum(part[KEY].n_unique() for part in parts.values())
    return num_keys >= MIN_SINGLE * sum(part.height for part in parts.values())


def _label_rates(
    parts: Mapping[str, pl.DataFrame], columns: Columns
) -> dict[str, dict[str, float]]:
    rows = {name: part.height for name, part in parts.items()}
    positive = {name: int(positives(part, columns).sum()) for name, part in parts.items()}
    num_all, rate = sum(rows.values()), sum(positive.values()) / sum(rows.values())
    tests = {}
    for name, num in rows.items():
        expected, variance = num * rate, num * (num_all - num) / num_all * rate * (1 - rate)
        statistic = (positive[name] - expected) ** 2 / variance
        tests[name] = {
            "chi_square": round(statistic, 6),
            "p_value": round(math.erfc(math.sqrt(statistic / 2)), 9),
        }
    return tests


def _strata(parts: Mapping[str, pl.DataFrame], columns: Columns) -> dict[str, dict[str, float]]:
    counts = strata(parts, columns)
    together = [sum(of_class) for of_class in zip(*counts.values(), strict=True)]
    tests = {}
    for name, found in counts.items():
        statistic, p_value = chi_square(found, together)
        tests[name] = {"chi_square": round(statistic, 6), "p_value": round(p_value, 9)}
    return tests


def check_stratification(report: Mapping[str, Any]) -> None:
    """Refuse parts whose label rates differ by more than chance explains."""
    if report["decides"] and not report["success"]:
        raise ProjectError(
            f"split: expected each part's label rate to be that of all rows up to chance "
            f"(chi-square test, p at least {report['alpha']:g})",
            findings=[
                f"{name}: p = {test['p_value']:.2g}"
                for name, test in report["parts"].items()
                if test["p_value"] < report["alpha"]
            ],
            hint="are there many copies of few rows? drop duplicates under `clean.rules`, or set "
            "another `split.key`",
        )
