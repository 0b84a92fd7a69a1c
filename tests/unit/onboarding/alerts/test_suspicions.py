"""What `propose` suspects: found where it is planted, and absent from a table without it."""

import shlex
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.assess.stage import Settings as AssessSettings
from pipeline.onboarding.alerts import group_sizes
from pipeline.onboarding.columns.proposal import Finding, Proposal
from pipeline.onboarding.table import propose
from pipeline.split.stage import Shares

ROWS = 2_000


@pytest.fixture(scope="module")
def plain() -> pl.DataFrame:
    """Text as a csv has it: two numbers and a category that say something of the target."""
    rng = np.random.default_rng(1)
    hours, job = rng.normal(40, 8, ROWS), rng.choice(["cook", "clerk", "smith"], ROWS)
    chance = 1 / (1 + np.exp(-(hours - 42) / 8 - (job == "smith")))
    return pl.DataFrame(
        {
            "hours": [f"{hour:.2f}" for hour in hours],
            "distance": [f"{one:.2f}" for one in rng.lognormal(1, 0.7, ROWS)],
            "job": job,
            "outcome": np.where(rng.random(ROWS) < chance, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def hits(plain: pl.DataFrame) -> pl.Series:
    return plain["outcome"] == "yes"


def found(table: pl.DataFrame, kind: str, target: str = "outcome") -> list[Finding]:
    return [one for one in propose(table, target).findings if one.kind == kind]


def planted(plain: pl.DataFrame, values: Any, name: str = "planted") -> pl.DataFrame:
    return plain.with_columns(pl.Series(name, values))


def test_a_plain_table_has_nothing_to_look_at(plain: pl.DataFrame) -> None:
    assert propose(plain, "outcome").findings == ()


def test_the_target_under_other_names_is_a_leak(plain: pl.DataFrame, hits: pl.Series) -> None:
    table = planted(plain, np.where(hits, "granted", "refused"), "letter")
    (leak,) = found(table, "leak")
    assert leak.columns == ("letter",)
    assert "letter alone gives the target with area under the ROC curve 1.000" in leak.sentence
    assert "columns.drop" in leak.advice


def test_a_number_with_three_percent_noise_is_a_leak(plain: pl.DataFrame, hits: pl.Series) -> None:
    rng = np.random.default_rng(2)
    wrong = rng.random(ROWS) < 0.03
    score = np.where(hits.to_numpy() ^ wrong, rng.normal(3, 1, ROWS), rng.normal(-3, 1, ROWS))
    (leak,) = found(planted(plain, [f"{one:.3f}" for one in score]), "leak")
    assert leak.columns == ("planted",)


def test_a_strong_but_honest_feature_is_no_leak(plain: pl.DataFrame, hits: pl.Series) -> None:
    rng = np.random.default_rng(2)
    score = rng.normal(0, 1, ROWS) + 1.5 * hits.to_numpy()  # area under the curve 0.86
    assert not found(planted(plain, [f"{one:.3f}" for one in score]), "leak")


def test_leaks_that_hide_each_other_are_told_together(plain: pl.DataFrame, hits: pl.Series) -> None:
    rng = np.random.default_rng(2)
    scores = {f"form_{i}": rng.normal(0, 1, ROWS) + 2 * hits.to_numpy() for i in (1, 2, 3, 4)}
    table = plain.with_columns(
        pl.Series(name, [f"{one:.3f}" for one in values]) for name, values in scores.items()
    )
    assert not found(table, "leak")
    (told,) = found(table, "too_good")
    assert set(scores) <= set(told.columns)
    assert not found(table.drop("form_2", "form_3", "form_4"), "too_good")


def test_what_is_filled_only_afterwards_is_a_leak(plain: pl.DataFrame, hits: pl.Series) -> None:
    days = np.random.default_rng(3).integers(1, 90, ROWS).astype(str)
    table = planted(plain, np.where(hits, days, ""), "days_until_paid")
    (leak,) = found(table, "leak")
    assert "missing exactly where the target is 'no'" in leak.sentence


def test_a_leak_of_one_class_alone_is_found(plain: pl.DataFrame) -> None:
    rng = np.random.default_rng(4)
    rare = rng.random(ROWS) < 0.1
    fee = np.where(rare & (rng.random(ROWS) < 0.7), rng.integers(10, 99, ROWS), 0)
    table = plain.with_columns(
        outcome=pl.Series(np.where(rare, "yes", "no")), fee=pl.Series(fee.astype(str))
    )
    (leak,) = found(table, "leak")
    assert leak.columns == ("fee",)
    assert "of the rarer class with certainty" in leak.sentence


def test_a_transform_of_a_number_and_its_parts_are_leaks(plain: pl.DataFrame) -> None:
    rng = np.random.default_rng(5)
    day, night = rng.integers(0, 500, ROWS), rng.integers(0, 300, ROWS)
    table = plain.drop("outcome").with_columns(
        day=pl.Series(day.astype(str)),
        night=pl.Series(night.astype(str)),
        total=pl.Series((day + night).astype(str)),
        log_total=pl.Series([f"{one:.5f}" for one in np.log1p(day + night)]),
    )
    leaks = found(table, "leak", "total")
    assert [leak.columns for leak in leaks] == [("log_total",), ("day", "night")]
    assert found(table.drop("log_total", "night"), "leak", "total") == []


def test_renamed_columns_and_lines_are_near_duplicates(plain: pl.DataFrame) -> None:
    table = plain.with_columns(
        trade=pl.col("job").replace({"cook": "3", "clerk": "1", "smith": "2"}),
        minutes=(pl.col("hours").cast(pl.Float64) * 60).round(2).cast(pl.String),
    )
    pairs = [one.columns for one in found(table, "near_duplicate")]
    assert pairs == [("hours", "minutes"), ("job", "trade")]


def test_a_feature_that_says_the_same_as_a_sensitive_column_is_named(plain: pl.DataFrame) -> None:
    salutation = np.random.default_rng(6).choice(["A", "B"], ROWS)
    table = plain.with_columns(
        block=pl.Series(salutation), half=pl.Series(np.where(salutation == "A", "x", "y"))
    )
    (finding,) = propose(table, "outcome", sensitive=("half",)).findings
    assert (finding.kind, finding.columns) == ("looks_sensitive", ("block",))
    assert "the sensitive column half" in finding.sentence


def test_a_constant_is_dropped_and_a_nearly_constant_one_shown(plain: pl.DataFrame) -> None:
    table = plain.with_columns(
        state=pl.lit("MA"), pilot=pl.Series(["1" if i < 4 else "0" for i in range(ROWS)])
    )
    first, second = found(table, "constant")
    assert (first.columns, second.columns) == (("state",), ("pilot",))
    assert "only 4 of 2000 rows" in second.sentence


@pytest.mark.parametrize(
    ("name", "values", "ground"),
    [
        ("gndr", ["1", "2"], "sex or gender"),
        ("applicant_sex_cd", ["1", "2", "3"], "sex or gender"),
        ("SEG1", ["m", "f"], "sex or gender"),
        ("x7", ["White", "Black", "Asian", "Other"], "race, colour or ethnic origin"),
        ("derived_ethnicity", ["1", "2"], "race, colour or ethnic origin"),
        ("Hispan", ["0", "1"], "race, colour or ethnic origin"),
        ("relig", ["1", "2", "3"], "religion or belief"),
        ("disab_flag", ["0", "1"], "disability or health"),
        ("maritl", ["1", "2", "3"], "marital or family status"),
        ("q12", ["married", "single", "divorced"], "marital or family status"),
        ("natlty_nationality", ["1", "2", "3"], "nationality, national origin or language"),
        ("Geschlecht", ["1", "2"], "sex or gender"),
        ("customer_age", [str(age) for age in range(20, 80)], "age"),
        ("ZIPCODE", ["02138", "02139", "02140"], "place of residence"),
    ],
)
def test_a_column_that_looks_sensitive_is_named(
    plain: pl.DataFrame, name: str, values: list[str], ground: str
) -> None:
    drawn = np.random.default_rng(7).choice(values, ROWS)
    (finding,) = found(planted(plain, drawn, name), "looks_sensitive")
    assert finding.columns == (name,)
    assert f"{name} looks like {ground}" in finding.sentence


@pytest.mark.parametrize("name", ["mortgage_paid", "account_age", "percentage", "essex", "trace"])
def test_a_name_that_only_sounds_so_is_not(plain: pl.DataFrame, name: str) -> None:
    drawn = np.random.default_rng(7).choice(["1", "2"], ROWS)
    assert not found(planted(plain, drawn, name), "looks_sensitive")


def test_a_number_measured_of_a_group_is_no_group(plain: pl.DataFrame) -> None:
    incomes = np.random.default_rng(7).normal(30_000, 5_000, ROWS).round(2).astype(str)
    assert not found(planted(plain, incomes, "white_median_income"), "looks_sensitive")


def test_small_groups_and_crossings_are_counted(plain: pl.DataFrame) -> None:
    rng = np.random.default_rng(8)
    table = plain.with_columns(
        sex=pl.Series(rng.choice(["F", "M"], ROWS)),
        half=pl.Series(rng.choice(["n", "s"], ROWS)),
        race=pl.Series(["c"] * 100 + ["b"] * 900 + ["a"] * (ROWS - 1_000)),
    )
    proposal = propose(table, "outcome", sensitive=("sex", "half", "race"))
    race, crossed = [one for one in proposal.findings if one.kind == "small_group"]
    assert race.columns == ("race",)
    assert race.sentence == (
        "1 of 3 groups of race would have fewer than 200 rows in the test part: c 32"
    )
    assert crossed.columns == ("sex", "half")  # about 500 rows each, 160 in the test part


def test_the_sizes_are_those_of_the_stages() -> None:
    assert Shares().test == group_sizes.TEST_SHARE
    assert AssessSettings().min_group_size == group_sizes.MIN_GROUP_SIZE


def test_a_rare_target_is_told_with_its_rows(plain: pl.DataFrame) -> None:
    outcome = pl.Series("outcome", ["yes"] * 60 + ["no"] * (ROWS - 60))
    (finding,) = found(plain.with_columns(outcome), "rare_target")
    assert "is 'yes' in 60 of 2000 rows (3.0%): about 19 in the test part" in finding.sentence


def test_many_levels_and_mostly_missing_columns_are_shown(plain: pl.DataFrame) -> None:
    rng = np.random.default_rng(9)
    table = plain.with_columns(
        shop=pl.Series([f"s{one}" for one in rng.integers(0, 400, ROWS)]),
        bonus=pl.Series(
            np.where(rng.random(ROWS) < 0.7, "", rng.integers(1, 900, ROWS).astype(str))
        ),
    )
    proposal = propose(table, "outcome")
    kinds = {one.columns: one.kind for one in proposal.findings}
    assert kinds == {("shop",): "many_levels", ("bonus",): "missing"}


def test_a_number_apart_that_stands_for_missing_is_shown_and_not_changed(
    plain: pl.DataFrame,
) -> None:
    rng = np.random.default_rng(10)
    days = np.where(rng.random(ROWS) < 0.2, 999, rng.integers(0, 28, ROWS))
    proposal = propose(planted(plain, days.astype(str), "pdays"), "outcome")
    (finding,) = proposal.findings
    assert (finding.kind, finding.columns) == ("missing", ("pdays",))
    assert f"999 in {(days == 999).sum()} rows" in finding.sentence
    assert [rule["rule"] for rule in proposal.rules] == ["cast"]


def test_copied_rows_are_counted(plain: pl.DataFrame) -> None:
    (finding,) = propose(pl.concat([plain, plain.head(7)]), "outcome").findings
    assert "7 of 2007 rows are the same as an earlier row" in finding.sentence


def test_leaks_come_first_and_the_seed_settles_the_rest(
    plain: pl.DataFrame, hits: pl.Series
) -> None:
    table = plain.with_columns(
        state=pl.lit("MA"),
        gender=pl.Series(np.random.default_rng(11).choice(["1", "2"], ROWS)),
        letter=pl.Series(np.where(hits, "a", "b")),
    )

    def kinds(proposal: Proposal) -> list[str]:
        return [one.kind for one in proposal.findings]

    assert kinds(propose(table, "outcome")) == ["leak", "looks_sensitive", "constant"]
    assert propose(table, "outcome", seed=3).findings == propose(table, "outcome", seed=3).findings


def test_rows_without_an_outcome_are_counted(plain: pl.DataFrame) -> None:
    row = pl.int_range(ROWS)
    table = plain.with_columns(pl.when(row % 20 > 0).then(pl.col("outcome")).alias("outcome"))
    (finding,) = found(table, "missing")
    assert finding.columns == ("outcome",)
    assert (
        finding.sentence == "outcome has no value in 100 of 2000 rows (5.0%); cleaning drops them"
    )


def test_the_option_in_an_advice_can_be_pasted_into_a_shell(plain: pl.DataFrame) -> None:
    table = planted(plain, np.arange(ROWS) % 2 + 1, "the person's sex")
    (looks,) = found(table, "looks_sensitive")
    option = looks.advice.split("`")[3]
    assert shlex.split(option) == ["--sensitive", "the person's sex"]
