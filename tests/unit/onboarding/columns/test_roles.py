"""How `propose` reads each kind of column, and what it makes of it; the rules do what they say."""

from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.onboarding.columns.proposal import Proposal
from pipeline.onboarding.table import propose
from tests.unit.onboarding.test_table import ROWS, cleaned, of, table

RNG = np.random.default_rng(6)


def about(values: Any, name: str = "x") -> tuple[Proposal, pl.Series]:
    """The proposal of a table with this column, and the column after the proposed rules."""
    found = table(**{name: values})
    proposal = propose(found, "outcome")
    return proposal, cleaned(found, proposal)[name]


def sentences(proposal: Proposal) -> str:
    return " ".join(f"{one.sentence} {one.advice}" for one in proposal.findings)


NUMBERS = [f"{one}" for one in range(1, 41)]


def test_missing_written_in_many_ways_at_once_among_numbers() -> None:
    codes = ["", "?", "NA", "N/A", "nan", "null", "None", "-", "--", ".", "unknown", "missing"]
    proposal, clean = about([*NUMBERS, *codes])
    assert of(proposal, "x").role == "numeric"
    assert of(proposal, "x").missing == "median"
    assert clean.dtype == pl.Int64
    assert set(clean.drop_nulls()) == set(range(1, 41))
    assert clean.null_count() == sum(value in codes for value in table(x=[*NUMBERS, *codes])["x"])


def test_missing_written_in_many_ways_at_once_among_words() -> None:
    proposal, clean = about(["blue", "red", "", " ? ", "NA", "N/A", "unknown", "null"])
    assert of(proposal, "x").role == "categorical"
    assert of(proposal, "x").missing == "level"
    assert clean.unique().sort().to_list() == [None, "blue", "red"]


@pytest.mark.parametrize(
    ("levels", "kept"),
    [
        (["none", "guarantor", "co-applicant"], "none"),
        (["unknown", "primary", "secondary"], "unknown"),
        (["NA", "EU", "AS", "AF"], "NA"),
        (["+", "-"], "-"),
    ],
)
def test_a_word_that_may_be_a_level_stays_one(levels: list[str], kept: str) -> None:
    proposal, clean = about(levels)
    assert proposal.rules == ()
    assert kept in clean.unique()


def test_only_what_occurs_becomes_a_rule() -> None:
    found = table(x=["a", "b", "?"], y=[*NUMBERS, "NA"], z=["u", "v"])
    rules = propose(found, "outcome").rules
    assert [(rule["rule"], rule["columns"]) for rule in rules] == [
        ("missing_codes", ["x"]),
        ("missing_codes", ["y"]),
        ("cast", {"y": "integer"}),
    ]


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        ([f" {one} " for one in NUMBERS], pl.Int64, 1),
        ([f"{one}.0" for one in range(1, 41)], pl.Int64, 1),
        ([f"{one}.25" for one in range(1, 41)], pl.Float64, 1.25),
        ([f"{one},5" for one in range(1, 41)], pl.Float64, 1.5),
        ([f"{one}.234,5" for one in range(1, 41)], pl.Float64, 1234.5),
        ([f"{one},234.50" for one in range(1, 41)], pl.Float64, 1234.5),
        ([f"{one} 234 567" for one in range(1, 41)], pl.Int64, 1234567),
        ([f"{one}e3" for one in range(1, 41)], pl.Int64, 1000),
    ],
)
def test_numbers_in_many_spellings(values: list[str], kind: Any, first: float) -> None:
    proposal, clean = about(values)
    assert of(proposal, "x").role == "numeric"
    assert (clean.dtype, clean[0], clean.null_count()) == (kind, first, 0)


def test_a_comma_that_may_be_both_is_told() -> None:
    proposal, clean = about([f"{one},250" for one in range(1, 41)])
    assert clean[0] == 1250
    assert "the comma may part thousands or begin decimals" in sentences(proposal)


def test_numbers_with_a_few_words_are_numbers_and_the_words_are_counted() -> None:
    values = [str(one) for one in range(ROWS - 5)] + ["about 9"] * 5
    proposal, clean = about(values)
    assert of(proposal, "x").role == "numeric"
    assert proposal.rules[0]["on_failure"] == "missing"
    assert clean.null_count() == 5
    assert "x holds numbers, but for 5 of 400 values" in sentences(proposal)


def test_numbers_with_many_words_are_levels() -> None:
    proposal, _ = about(["1", "2", "3", "a few", "many"])
    assert of(proposal, "x").role == "categorical"
    assert proposal.rules == ()


@pytest.mark.parametrize("sign", ["$%d", "%d €", "%d%%", "USD %d"])
def test_numbers_with_signs_are_dropped_with_a_hint(sign: str) -> None:
    proposal, _ = about([sign % one for one in range(100, 200)])
    assert of(proposal, "x").role == "drop"
    assert "sign of a currency or percent" in sentences(proposal)
    few, _ = about([sign % one for one in (1, 2, 3)])
    assert of(few, "x").role == "categorical"


def test_booleans_in_many_spellings_become_booleans() -> None:
    proposal, clean = about(["Yes", "no", "Y", "TRUE", "false", "0", "1", "N"])
    assert of(proposal, "x").role == "categorical"
    assert clean.dtype == pl.Boolean
    assert clean[:8].to_list() == [True, False, True, True, False, False, True, False]


DAYS = [date(2024, 1 + month, day) for month in range(12) for day in (3, 14, 25)]
MOMENTS = [datetime(2024, 1 + month, 25, 13, month) for month in range(12)]


@pytest.mark.parametrize(
    "written",
    ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%b-%Y", "%Y%m%d", "%Y/%m/%d", "%d/%m/%y"],
)
def test_dates_in_many_formats(written: str) -> None:
    proposal, clean = about([day.strftime(written) for day in DAYS])
    assert of(proposal, "x").role == "date"
    assert (clean.dtype, clean[:36].to_list()) == (pl.Date, DAYS)


@pytest.mark.parametrize("written", ["%b-%Y", "%Y-%m", "%m/%Y", "%b-%y"])
def test_months_are_dates_of_their_first_day(written: str) -> None:
    proposal, clean = about([date(2011, month, 9).strftime(written) for month in range(1, 13)])
    assert of(proposal, "x").role == "date"
    assert clean[:12].to_list() == [date(2011, month, 1) for month in range(1, 13)]


@pytest.mark.parametrize(
    "written",
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p"],
)
def test_times_in_many_formats(written: str) -> None:
    proposal, clean = about([moment.strftime(written) for moment in MOMENTS])
    assert of(proposal, "x").role == "date"
    assert clean[:12].to_list() == MOMENTS


def test_a_date_that_does_not_tell_day_from_month_is_told() -> None:
    days = [f"0{day}/0{month}/2024" for month in range(1, 9) for day in (2, 5)]
    proposal, _ = about(days)
    assert "%d/%m/%Y and as %m/%d/%Y" in sentences(proposal)
    firsts, clean = about([f"0{month}/01/2024" for month in range(1, 9)])
    assert "can be read as" not in sentences(firsts)
    assert clean[1] == date(2024, 2, 1)


def test_integers_of_parquet_that_write_dates_are_dates() -> None:
    proposal, clean = about([int(day.strftime("%Y%m%d")) for day in DAYS])
    assert of(proposal, "x").role == "date"
    assert clean[0] == DAYS[0]


def test_floats_of_pandas_that_are_whole_and_nan_are_integers_with_missing_values() -> None:
    proposal, clean = about([*[float(one) for one in range(40)], float("nan")], "rooms")
    assert of(proposal, "rooms").missing == "median"
    assert (clean.dtype, clean.null_count()) == (pl.Int64, 9)


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("region", [1, 2, 3, 4], "categorical"),
        ("num_kids", [0, 1, 2, 3], "numeric"),
        ("educ", list(range(6, 19)), "numeric"),
        ("x", [1, 2], "categorical"),
        ("x", [11, 12, 13, 21, 22, 31, 40], "categorical"),
        ("x", [10, 20, 30, 40], "numeric"),
        ("x", [0] * 8 + [1] * 4 + [2] * 2 + [3], "numeric"),
        ("industry_code", list(range(100, 190)), "categorical"),
        ("x", list(range(100)), "numeric"),
    ],
)
def test_whole_numbers_are_codes_or_counts(name: str, values: list[int], role: str) -> None:
    for written in (values, [str(one) for one in values]):
        proposal, _ = about(written, name)
        assert of(proposal, name).role == role, of(proposal, name).reason


def test_digits_that_begin_with_zeros_stay_text() -> None:
    proposal, clean = about(["02138", "02139", "10001"], "zip")
    assert of(proposal, "zip").role == "categorical"
    assert clean[0] == "02138"


UNIQUE = [f"{one:032x}" for one in RNG.integers(0, 2**60, ROWS)]


@pytest.mark.parametrize(
    ("name", "values", "role", "reason"),
    [
        ("customerID", [str(7 * one) for one in range(ROWS)], "identifier", "named as"),
        ("token", UNIQUE, "identifier", "written as a code"),
        ("rownames", [str(one) for one in range(1, ROWS + 1)], "drop", "running number"),
        ("", [str(one) for one in range(ROWS)], "drop", "running number"),
        ("", [str(7 * one) for one in range(ROWS)], "drop", "without a name"),
        ("column_1", [str(7 * one) for one in range(ROWS)], "drop", "without a name"),
        ("column_1", [str(7 * one % 2001) for one in range(ROWS)], "numeric", "different values"),
        ("patient_id", [str(one // 4 * 13) for one in range(ROWS)], "identifier", "4.0 rows"),
        ("paid", [str(7 * one) for one in range(ROWS)], "numeric", "whole numbers"),
        ("fnlwgt", [str(one) for one in RNG.integers(1, 9_999, ROWS)], "weight", "survey"),
        ("weight", [str(one) for one in RNG.integers(50, 120, ROWS)], "numeric", "numbers"),
        ("state", ["MA"], "drop", "constant"),
        ("spare", [""], "drop", "no row has a value"),
        ("spare", ["NA"], "drop", "no row has a value"),
        ("contact", [f"p{one}@example.org" for one in range(ROWS)], "drop", "e-mail"),
        ("mobile", [f"+49 170 {one:07d}" for one in range(ROWS)], "drop", "telephone"),
        ("full_name", [f"Anna{'abcd'[i % 4]} B{'o' * (i // 4)}" for i in range(ROWS)], "drop",
         "names people"),
        ("remarks", [f"called {one} times and was told to wait" for one in range(ROWS)], "drop",
         "free text"),
        ("key_word", [f"w{'x' * (one % 300)}" for one in range(ROWS)], "drop", "value of its own"),
    ],
)  # fmt: skip
def test_columns_that_name_rows_or_people(
    name: str, values: list[str], role: str, reason: str
) -> None:
    proposal, _ = about(values, name)
    column = of(proposal, name)
    assert column.role == role, column.reason
    assert reason in column.reason
    assert not any(value and len(value) > 3 and value in column.reason for value in values)


def test_of_a_key_that_repeats_it_is_said_that_init_already_splits_by_it() -> None:
    proposal, _ = about([str(one // 4 * 13) for one in range(ROWS)], "patient_id")
    assert "it is under `split.column`" in sentences(proposal)
    assert "may fall on both sides" not in sentences(proposal)


def test_a_second_key_that_repeats_is_advised_as_the_group_of_the_split() -> None:
    found = table(
        clinic_id=[str(one // 8 * 17) for one in range(ROWS)],
        patient_id=[str(one // 4 * 13) for one in range(ROWS)],
    )
    proposal = propose(found, "outcome")
    assert proposal.named("identifier") == ["clinic_id"]
    assert "split: {by: group, column: patient_id}" in sentences(proposal)


def test_one_identifier_is_kept_and_the_others_are_dropped() -> None:
    found = table(
        loan_id=[str(7 * one) for one in range(ROWS)],
        customer_id=[str(one // 2 * 31) for one in range(ROWS)],
    )
    proposal = propose(found, "outcome")
    assert proposal.named("identifier") == ["customer_id"]
    assert "'customer_id' is the project's identifier" in of(proposal, "loan_id").reason


def test_levels_that_differ_only_in_case_are_told_with_the_rule() -> None:
    proposal, _ = about(["Red", "Red", "red", "Blue", "blue ", "Blue"])
    assert "2 levels that differ from others only by case" in sentences(proposal)
    assert "'red': 'Red'" in sentences(proposal)
    assert not any(rule["rule"] == "replace" for rule in proposal.rules)


def test_names_with_spaces_quotes_and_unicode_are_as_good_as_others() -> None:
    names = ["a b", 'said "so"', "größe, cm", "年齢", "{x}", "it's"]
    found = table(**dict.fromkeys(names, NUMBERS))
    proposal = propose(found, "outcome")
    assert proposal.named("numeric") == names
    assert cleaned(found, proposal)["年齢"].dtype == pl.Int64
