"""What a column's form as delivered suggests for a contract.

Text that cleaning reads as a number, a date or yes and no keeps its pattern or its spellings; the
few other texts that were seen in it, codes for "unknown", are named. A number keeps its type. Text
that stays text is judged after cleaning alone, by `inferred_columns`.
"""

import re
from typing import Any

import polars as pl

from pipeline.onboarding.contract.inferred_columns import INTEGERS, Role, entry, severity_of

MAX_CODES = 12
"""Texts of another form in a column of numbers, at most."""
MAX_CODE_LENGTH = 20
MAX_DATE_FORMS = 3

WHOLE = r"[+-]?[0-9]+"
DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
DECIMAL_COMMA = r"[+-]?[0-9]{1,3}(?:\.?[0-9]{3})*(?:,[0-9]+)?|[+-]?[0-9]+(?:,[0-9]+)?"
THOUSANDS = r"[+-]?[0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?"
FORMS = {
    "whole numbers": WHOLE,
    "numbers with a decimal point": DECIMAL,
    "numbers with a decimal comma": DECIMAL_COMMA,
    "numbers with commas between thousands": THOUSANDS,
}


def delivered_form(delivered: pl.Series, prepared: pl.Series, role: Role) -> list[dict[str, Any]]:
    """The form of a column as delivered: a pattern of text, or a type."""
    name = delivered.name
    if delivered.dtype == pl.String:
        if prepared.dtype == pl.Boolean:
            return _spellings(delivered, role)
        if prepared.dtype.is_numeric() or prepared.dtype.is_temporal():
            return _pattern(delivered, prepared, role)
        return []
    if not delivered.dtype.is_numeric():
        return []
    whole = delivered.dtype.is_integer() and not delivered.null_count()
    types = INTEGERS if whole else [*INTEGERS, "float32", "float64"]
    what = "whole numbers" if whole else "numbers"
    return [
        entry(
            "expect_column_values_to_be_in_type_list",
            {"column": name, "type_list": types},
            severity_of(role),
            f"{name} was delivered as {what}; another type is another way of writing it.",
            {"type": str(delivered.dtype)},
        )
    ]


def _spellings(delivered: pl.Series, role: Role) -> list[dict[str, Any]]:
    seen = delivered.drop_nulls().unique().sort().to_list()
    if not seen or len(seen) > MAX_CODES:
        return []
    return [
        entry(
            "expect_column_values_to_be_in_set",
            {"column": delivered.name, "value_set": seen},
            severity_of(role),
            f"{delivered.name} says yes or no in these spellings alone; another could not be read.",
            {"num_spellings": len(seen)},
        )
    ]


def _pattern(delivered: pl.Series, prepared: pl.Series, role: Role) -> list[dict[str, Any]]:
    """The pattern of the text that became numbers or dates, and the codes among it."""
    texts = delivered.drop_nulls().unique()
    if texts.is_empty():
        return []
    candidates = _masks(texts) if prepared.dtype.is_temporal() else FORMS
    bare = texts.str.strip_chars()
    fitting = (
        (what, form, others)
        for what, form in candidates.items()
        if _are_codes(others := texts.filter(~bare.str.contains(f"^(?:{form})$")).sort())
    )
    what, form, others = next(fitting, ("", "", texts))
    if not what:
        return []
    words = f"{delivered.name} is delivered as {what}; another form could not be read."
    if bool((bare != texts).any()):
        form = rf"\s*(?:{form})\s*"  # all that `strip_chars` takes for a blank
    codes = [re.escape(one) for one in others.to_list()]
    regex = f"^(?:{'|'.join([form, *codes])})$" if codes or "|" in form else f"^{form}$"
    evidence: dict[str, Any] = {"rows": delivered.len() - delivered.null_count()}
    if codes:
        evidence["rows_with_codes"] = int(delivered.is_in(others.implode()).sum())
    return [
        entry(
            "expect_column_values_to_match_regex",
            {"column": delivered.name, "regex": regex},
            severity_of(role),
            words,
            evidence,
        )
    ]


def _are_codes(texts: pl.Series) -> bool:
    """Whether these texts are few and short: codes for "unknown", not another form."""
    longest = texts.str.len_chars().max() or 0
    return texts.len() <= MAX_CODES and int(longest) <= MAX_CODE_LENGTH  # type: ignore[arg-type]


def _masks(texts: pl.Series) -> dict[str, str]:
    """The form of dates: digits where digits stand, words where words, the rest as it is."""
    shapes = (
        texts.str.strip_chars().str.replace_all("[0-9]+", "0").str.replace_all("[A-Za-z]+", "A")
    )
    counts = shapes.value_counts(sort=True)
    common = counts.filter(pl.col("count") >= max(2, texts.len() // 100))[shapes.name].sort()
    if common.is_empty():
        return {}
    masks = [
        re.escape(shape).replace("0", "[0-9]+").replace("A", "[A-Za-z]+")
        for shape in common.to_list()
    ]
    return {"dates in one form": "|".join(masks)} if len(masks) <= MAX_DATE_FORMS else {}
