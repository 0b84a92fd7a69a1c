"""What the clean values of one column suggest for a contract: levels, limits and gaps.

The rules, each with its slack:

- *levels*: a list of at most 50. That of the target or of a sensitive column is closed, and so is
  one whose rarest level was met at least 5 times: with a level left out, some would have been met
  less often. An open list warns of what is new, and is critical where over 5 % of the rows are.
- *limits*: the least and greatest value, moved out by half the interquartile range or by a quarter
  of the way from the median, whichever is more, to a round number. What was never negative stays
  so, a flag stays a flag, a share stays below 1 (or 100, where just that was met).
- *middle*: the median stays between the quartiles: else half the rows lie where a quarter lay.
- *gaps*: none stays none. Some may be 1.25 times the upper bound of their rate (Wilson, 99.9 %);
  it is critical when half of what was known is gone.
"""

import math
from typing import Any, Literal

import numpy as np
import polars as pl

from pipeline.core.statistics.intervals import wilson

Role = Literal[
    "target",
    "target_number",
    "sensitive",
    "sensitive_number",
    "number",
    "levels",
    "date",
    "identifier",
    "weight",
    "drop",
]
NUMBERS = ("target_number", "sensitive_number", "number", "weight")
WITH_LEVELS = ("target", "sensitive", "levels")
MAX_LEVELS = 50
LEAST_OFTEN = 5
"""A list of levels is closed when its rarest was met so often."""
MAX_NEW_SHARE = 0.05
LEAST_ROWS = 50
"""With fewer rows quartiles and rates say too little."""

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def entry(
    kind: str, kwargs: dict[str, Any], severity: str, notes: str, evidence: dict[str, Any]
) -> dict[str, Any]:
    """One expectation as contract.json has it."""
    meta = {"notes": notes, "evidence": evidence}
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta}


def severity_of(role: Role) -> str:
    return "warning" if role == "drop" else "critical"


def prepared_values(values: pl.Series, role: Role) -> list[dict[str, Any]]:
    """What holds of a column after cleaning: type, gaps, levels or limits, uniqueness."""
    found = [*_type(values, role), *_gaps(values, role)]
    if role == "drop" or values.null_count() == values.len():
        return found
    if role == "identifier":
        return found + _unique(values)
    levels = _levels(values, role) if role in WITH_LEVELS else []
    if not levels and (role in NUMBERS or role == "sensitive") and values.dtype.is_numeric():
        return found + _limits(values, role)
    return found + levels


def _type(values: pl.Series, role: Role) -> list[dict[str, Any]]:
    """Whole numbers without a gap stay so, and numbers stay numbers; text is free."""
    name, kwargs = values.name, dict[str, Any](column=values.name)
    if role in ("drop", "identifier") or values.null_count() == values.len():
        return []
    if values.dtype == pl.Boolean and not values.null_count():
        kind, kwargs, what = "of_type", {**kwargs, "type_": "bool"}, "yes or no"
    elif values.dtype == pl.Int64 and not values.null_count():
        kind, kwargs, what = "of_type", {**kwargs, "type_": "int64"}, "a whole number"
    elif values.dtype.is_numeric():
        types = [*INTEGERS, "float32", "float64"]
        kind, kwargs, what = "in_type_list", {**kwargs, "type_list": types}, "a number"
    else:
        return []
    return [
        entry(
            f"expect_column_values_to_be_{kind}",
            kwargs,
            severity_of(role),
            f"{name} is {what} after cleaning; anything else is another coding.",
            {"type": str(values.dtype)},
        )
    ]


def _gaps(values: pl.Series, role: Role) -> list[dict[str, Any]]:
    kind, about = "expect_column_values_to_not_be_null", {"column": values.name}
    num_rows, num_missing = values.len(), values.null_count()
    evidence = {"missing": num_missing, "rows": num_rows}
    if num_missing == num_rows:
        return []
    if num_missing == 0:
        reason = {
            "target": "A row without a label can neither be learnt from nor be tested against.",
            "target_number": "A row without its number can neither be learnt from nor be tested "
            "against.",
            "sensitive": "Who has no group falls out of every comparison by group, unseen.",
            "sensitive_number": "Who has no group falls out of every comparison by group, unseen.",
            "identifier": "A row that names nobody cannot be told from another.",
        }.get(role, f"{values.name} was known in every row; a gap is a change of the source.")
        return [entry(kind, about, severity_of(role), reason, evidence)]
    rate = num_missing / num_rows
    _, bound = wilson(np.array(float(num_missing)), np.array(float(num_rows)), 0.999)
    slack = 1.25 * float(bound)
    found = [
        entry(
            kind,
            {**about, "mostly": max(math.floor((1 - slack) * 1000), 0) / 1000},
            "warning",
            f"{values.name} was missing in {rate:.2%} of the rows; more means that something at "
            "the source changed.",
            evidence,
        )
    ]
    if role != "drop" and (known := math.floor((1 - rate) * 50) / 100):
        words = f"Half of what was known of {values.name} is gone: its rule for missing values"
        found.append(
            entry(
                kind,
                {**about, "mostly": known},
                "critical",
                f"{words} would become the model's main source.",
                evidence,
            )
        )
    return found


def _levels(values: pl.Series, role: Role) -> list[dict[str, Any]]:
    counts = values.drop_nulls().value_counts(sort=True)
    if counts.height > MAX_LEVELS or values.dtype.is_temporal():
        return []
    levels, least = counts[values.name].sort().to_list(), counts["count"].to_list()[-1]
    kind, about = (
        "expect_column_values_to_be_in_set",
        {"column": values.name, "value_set": levels},
    )
    evidence = {"num_levels": len(levels), "rows_of_the_rarest": least}
    reason = {
        "target": "These classes are what the model learns; another spelling would be read as a "
        "class of its own.",
        "sensitive": "Groups are compared by these codes: a new one is a group that nobody has "
        "audited.",
    }.get(role, f"Every level of {values.name} was met often; a new one is a change of coding.")
    if role != "levels" or least >= LEAST_OFTEN:
        return [entry(kind, about, "critical", reason, evidence)]
    return [
        entry(
            kind,
            about,
            "warning",
            f"{values.name} has rare levels, so new ones may come: the model takes one as unseen.",
            evidence,
        ),
        entry(
            kind,
            {**about, "mostly": 1 - MAX_NEW_SHARE},
            "critical",
            f"So many rows with new levels of {values.name} are a change of coding, not rare "
            "levels.",
            evidence,
        ),
    ]


def _unique(values: pl.Series) -> list[dict[str, Any]]:
    known = values.drop_nulls()
    if known.n_unique() != known.len():
        return []
    return [
        entry(
            "expect_column_values_to_be_unique",
            {"column": values.name},
            "critical",
            f"{values.name} names each row once; the same one twice is a row delivered twice.",
            {"distinct": known.len(), "rows": values.len()},
        )
    ]


def _limits(values: pl.Series, role: Role) -> list[dict[str, Any]]:
    known = values.drop_nulls()
    known = known.filter(known.is_finite()) if known.dtype.is_float() else known
    if known.is_empty():
        return []
    quartiles = [float(known.quantile(q, "nearest") or 0) for q in (0, 0.25, 0.5, 0.75, 1)]
    whole = known.dtype.is_integer()
    low, high = limits(quartiles, whole, known.n_unique() if known.len() else 0)
    kwargs: dict[str, Any] = {"column": values.name, "min_value": low, "max_value": high}
    if role == "weight" and quartiles[0] > 0:
        kwargs |= {"min_value": 0, "strict_min": True}
    shown = [int(one) if whole else one for one in quartiles]
    evidence: dict[str, Any] = {"min": shown[0], "max": shown[4], "rows": known.len()}
    if role == "sensitive" or role == "sensitive_number":
        evidence = {"rows": known.len()}
    found = [
        entry(
            "expect_column_values_to_be_between",
            kwargs,
            "critical",
            f"The model has seen nothing of {values.name} beyond these limits; what lies there is "
            "another unit, another population or an error.",
            evidence,
        )
    ]
    if known.len() >= LEAST_ROWS:
        found.append(
            entry(
                "expect_column_median_to_be_between",
                {"column": values.name, "min_value": shown[1], "max_value": shown[3]},
                "critical",
                f"Half the rows lay on each side of a middle between these two; now {values.name} "
                "is shifted.",
                {"median": shown[2], "rows": known.len()},
            )
        )
    return found


def limits(quartiles: list[float], whole: bool, num_distinct: int) -> tuple[float, float]:
    """Limits with slack, from minimum, quartiles and maximum; `whole` keeps them whole.

    The module says by which rule.
    """
    least, lower, middle, upper, most = quartiles
    if whole and num_distinct <= 2:
        return int(least), int(most)
    spread = (upper - lower) / 2
    below = max(spread, (middle - least) / 4) or abs(least) / 10 or 1.0
    above = max(spread, (most - middle) / 4) or abs(most) / 10 or 1.0
    if not math.isfinite(below + above + most - least):  # nothing lies beyond such numbers
        return least, most
    low, high = rounded(least - below, below, -1, whole), rounded(most + above, above, 1, whole)
    if least >= 0:
        low = max(low, 0)
        share = 1 if not whole and 0.9 <= most <= 1 else 100 if most == 100 else None
        high = share if share is not None else high
    if most <= 0:
        high = min(high, 0)
    return low, high


def rounded(value: float, margin: float, way: int, whole: bool) -> float:
    """`value` moved outwards (`way` 1 is up) to a multiple of the margin's power of ten."""
    power = math.floor(math.log10(margin))
    power = max(power, 0) if whole else power
    step = math.floor if way < 0 else math.ceil
    moved = step(round(value / 10.0**power, 9))
    return int(moved * 10**power) if power >= 0 else float(round(moved / 10**-power, -power))
