"""What the target, and the table as a whole, show that a person should look at."""

from collections.abc import Iterable, Mapping

import polars as pl

from pipeline.onboarding.alerts.group_sizes import TEST_SHARE
from pipeline.onboarding.columns.proposal import Finding, ProposedColumn
from pipeline.onboarding.columns.shares import mean
from pipeline.onboarding.columns.spellings import Reading
from pipeline.onboarding.columns.targets import Decision

RARE_SHARE, RARE_TEST_ROWS, NEVER_RARE = 0.05, 50, 0.4
"""A class is rare by its share, or by its rows in the test part unless it is nearly half."""
HEAPED, SKEWED = 0.5, 3.0


def of_target(target: Reading, decision: Decision) -> list[Finding]:
    """Rows without an outcome, a class that is too rare, or a number that is skewed."""
    of_values = (
        _of_number(target) if decision.task == "regression" else _of_classes(target, decision)
    )
    return [*_without_outcome(target), *of_values]


def _without_outcome(target: Reading) -> list[Finding]:
    total = target.values.len()
    if not target.num_missing:
        return []
    return [
        Finding(
            "missing",
            (target.name,),
            f"{target.name} has no value in {target.num_missing} of {total} rows "
            f"({target.num_missing / total:.1%}); cleaning drops them",
            "ask why the outcome is missing: where it depends on the outcome or on a group, the "
            "rows that are left stand for others than those that will be asked about",
        )
    ]


def _of_classes(target: Reading, decision: Decision) -> list[Finding]:
    text = target.values.drop_nulls().cast(pl.String).replace(decision.mapping)
    total = text.len()
    counts = dict(text.value_counts(name="count").sort("count").iter_rows())
    if decision.task == "binary":
        num = counts[decision.positive]
        rest = [value for value in counts if value != decision.positive]
        other = rest[0] if len(rest) == 1 else "any other value"
        counts = {decision.positive: num, other: total - num}
    rare = {
        value: num
        for value, num in counts.items()
        if num < RARE_SHARE * total
        or (num * TEST_SHARE < RARE_TEST_ROWS and num < NEVER_RARE * total)
    }
    if not rare:
        return []
    value, num = min(rare.items(), key=lambda item: item[1])
    more = f"; {len(rare) - 1} more of {len(counts)} classes are rare" if len(rare) > 1 else ""
    return [
        Finding(
            "rare_target",
            (target.name,),
            f"{target.name} is {value!r} in {num} of {total} rows ({num / total:.1%}): about "
            f"{round(num * TEST_SHARE)} in the test part{more}",
            "gate on a measure that does not reward the frequent class (`roc_auc` or "
            "`balanced_accuracy`, not `accuracy`), raise `split.shares.test`, or deliver more of "
            "them",
        )
    ]


def _of_number(target: Reading) -> list[Finding]:
    values = target.values.drop_nulls().cast(pl.Float64)
    found = []
    mode = values.rename("value").value_counts(name="count").sort("count", descending=True)
    share = int(mode["count"][0]) / values.len()
    if share >= HEAPED:
        found.append(
            Finding(
                "rare_target",
                (target.name,),
                f"{target.name} is {mode['value'][0]:g} in {share:.0%} of {values.len()} rows",
                "consider two questions: whether it is another value, and which",
            )
        )
    skewness = values.skew() or 0.0
    if abs(skewness) >= SKEWED and share < HEAPED:
        median = float(values.median() or 0.0)  # type: ignore[arg-type]
        found.append(
            Finding(
                "other",
                (target.name,),
                f"{target.name} is skewed (skewness {skewness:.1f}; its mean {mean(values):.4g}, "
                f"its median {median:.4g}): a few rows decide on squared errors",
                "gate on `mean_absolute_error`, or deliver its logarithm",
            )
        )
    return found


def copies(table: pl.DataFrame) -> list[Finding]:
    """Rows that are the same as an earlier one in every column."""
    num = table.height - table.unique().height
    if not num:
        return []
    return [
        Finding(
            "other",
            (),
            f"{num} of {table.height} rows are the same as an earlier row in every column",
            "if they are one case delivered twice, add `{name: the same row twice, rule: "
            "drop_duplicates}` under `clean.rules`; rows that are alike share a part of the split",
        )
    ]


def times(readings: Mapping[str, Reading], columns: Iterable[ProposedColumn]) -> list[Finding]:
    """That the rows have a time, by which they may be split."""
    found = []
    for column in columns:
        reading = readings[column.name]
        if column.role != "date" or reading.num_missing:
            continue
        low, high = reading.values.min(), reading.values.max()
        found.append(
            Finding(
                "other",
                (column.name,),
                f"{column.name} runs from {str(low)[:10]} to {str(high)[:10]} "
                f"({reading.num_distinct} different ones)",
                "if the model will answer for later rows than it learns from, set `split: {by: "
                f"time, column: {column.name}}}`",
            )
        )
    return found[:1]
