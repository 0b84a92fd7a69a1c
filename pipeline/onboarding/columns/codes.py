"""Whether whole numbers are codes of categories, or count and measure something."""

from itertools import pairwise

import polars as pl

from pipeline.onboarding.columns.naming import is_of
from pipeline.onboarding.columns.shares import highest, num_true
from pipeline.onboarding.columns.spellings import Reading

MAX_CODES = 20
"""Whole numbers with more values than this are numbers, unless the name says otherwise."""
MAX_NAMED_CODES = 5_000
"""The same where the name says that they are codes."""
MAX_UNNAMED_CODES = 10
FALL = 5
"""Of a count, the most frequent value has more than this many times the rows of the highest."""


def is_code(reading: Reading) -> tuple[bool, str]:
    """Whether a column of whole numbers is one of codes, and why."""
    counts = reading.values.drop_nulls().rename("value").value_counts(name="count").sort("value")
    num = counts.height
    named_code, named_number = is_of(reading.name, "code"), is_of(reading.name, "quantity")
    if num == 2:
        return True, "two whole numbers: a yes or no, or two kinds"
    if named_code and not named_number and num <= MAX_NAMED_CODES:
        return True, f"{num} whole numbers, and the name says that they are codes"
    if num > MAX_CODES:
        return False, f"whole numbers with {num} different values"
    if named_number:
        return False, f"{num} whole numbers, and the name says that they count or measure"
    if _has_even_steps(counts["value"]):
        return False, f"{num} whole numbers in even steps: they measure something"
    if _counts_from_zero(counts):
        return False, f"{num} whole numbers from 0, the higher the rarer: a count"
    if _has_gaps(counts["value"]):
        return True, f"{num} whole numbers with gaps between them: codes of categories"
    if num <= MAX_UNNAMED_CODES:
        return True, f"{num} whole numbers, and no name that says they count: codes of categories"
    return False, f"{num} whole numbers without a gap: taken as an order"


def _has_even_steps(values: pl.Series) -> bool:
    steps = values.diff().drop_nulls()
    return steps.n_unique() == 1 and abs(int(steps[0])) > 1


def _has_gaps(values: pl.Series) -> bool:
    steps = values.diff().drop_nulls()
    return highest(steps) > 1 and num_true(steps > 1) > 0.1 * steps.len()


def _counts_from_zero(counts: pl.DataFrame) -> bool:
    """Numbers from 0 on, with falling frequencies from their peak in the lower half."""
    value, num = counts["value"], counts["count"]
    if value[0] != 0 or value.len() < 3:
        return False
    peak = int(num.arg_max() or 0)
    after = num[peak:].to_list()
    falling = sum(later < earlier for earlier, later in pairwise(after))
    return (
        peak <= value.len() // 2
        and falling >= 0.7 * max(len(after) - 1, 1)
        and num[-1] * FALL < num[peak]
    )
