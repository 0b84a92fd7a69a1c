"""Numbers that often stand for missing: -1, 999, 9999. They are shown, never changed."""

import polars as pl

from pipeline.onboarding.columns.shares import highest, lowest
from pipeline.onboarding.columns.spellings import Reading

HIGH = frozenset({99, 999, 9999, 99_999, 999_999, 9_999_999, 99_999_999, 999_999_999, 998, 9998})
LOW = frozenset({-1, -9, -99, -999, -9999, -99_999, -8, -88, -888, -7, -77})
MIN_ROWS, MIN_SHARE = 5, 0.001
APART = 0.5
"""A number is apart where the gap to the next is this share of the range of all others."""


def sentinels(reading: Reading) -> list[tuple[float, int]]:
    """The numbers of such a kind that are repeated and apart from all others, with their rows."""
    if not reading.is_number:
        return []
    values = reading.values.drop_nulls().cast(pl.Float64)
    found = []
    counts = values.rename("value").value_counts(name="count")
    listed = counts.filter(pl.col("value").is_in([float(one) for one in HIGH | LOW])).sort("value")
    candidates = listed["value"].to_list()
    rest = values.filter(~values.is_in(candidates))
    if rest.n_unique() < 3:
        return []
    least, most = lowest(rest), highest(rest)
    needed = max(MIN_ROWS, MIN_SHARE * values.len())
    for value, count in listed.iter_rows():
        gap = value - most if value > 0 else least - value
        is_apart = gap > APART * (most - least) or (value < 0 <= least)
        if count >= needed and is_apart:
            found.append((float(value), int(count)))
    return found
