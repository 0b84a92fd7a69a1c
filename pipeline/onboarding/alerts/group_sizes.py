"""Groups that are too small to be audited, with how many rows the test part would have of each."""

from collections.abc import Mapping
from itertools import combinations

import polars as pl

from pipeline.core.dataset.groups import CROSS, MISSING, level_names
from pipeline.onboarding.columns.proposal import Finding, ProposedColumn
from pipeline.onboarding.columns.spellings import Reading

TEST_SHARE = 0.32
"""Of the rows, as `split.shares.test` has it by default."""
MIN_GROUP_SIZE = 200
"""Of test rows, as `assess.min_group_size` has it by default."""
SHOWN = 5


def small_groups(
    readings: Mapping[str, Reading], columns: list[ProposedColumn], target: str
) -> list[Finding]:
    """A finding for each sensitive column, and each two crossed, with groups that are too small.

    Two are crossed only where neither has such groups by itself.
    """
    rows = readings[target].values.is_not_null()
    named = {
        column.name: level_names(readings[column.name].values, column.edges or None).filter(rows)
        for column in columns
        if column.role == "sensitive"
    }
    found, small = [], set()
    for name, groups in named.items():
        if finding := _finding((name,), groups):
            found.append(finding)
            small.add(name)
    for one, other in combinations([name for name in named if name not in small], 2):
        crossed = pl.DataFrame({"one": named[one], "other": named[other]})
        groups = crossed.select(pl.concat_str("one", "other", separator=CROSS)).to_series()
        if finding := _finding((one, other), groups):
            found.append(finding)
    return found


def _finding(names: tuple[str, ...], groups: pl.Series) -> Finding | None:
    counts = groups.rename("group").value_counts(name="count").filter(pl.col("group") != MISSING)
    expected = (pl.col("count") * TEST_SHARE).round().cast(pl.Int64)
    counts = counts.with_columns(expected=expected).sort(["expected", "group"])
    small = counts.filter(pl.col("expected") < MIN_GROUP_SIZE)
    if small.height == 0:
        return None
    listed = [f"{group} {num}" for group, _, num in small.head(SHOWN).iter_rows()]
    more = f" and {small.height - SHOWN} more" if small.height > SHOWN else ""
    by = CROSS.join(names)
    if len(names) == 1:
        advice = (
            f"bring groups of {by} together by a rule `replace` (or wider `columns.sensitive_edges`"
            "), raise `split.shares.test`, deliver more rows, or say `accept_small_groups` with "
            "the reason in the gate's rule"
        )
    else:
        advice = (
            f"a gate by {by} would lack evidence: gate each column by itself, or bring groups "
            "together"
        )
    return Finding(
        "small_group",
        names,
        f"{small.height} of {counts.height} groups of {by} would have fewer than {MIN_GROUP_SIZE} "
        f"rows in the test part: {', '.join(listed)}{more}",
        advice,
    )
