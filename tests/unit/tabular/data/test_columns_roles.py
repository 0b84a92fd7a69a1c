"""Rows without a needed value, weights, identifiers, and names that stages take, in each stage."""

from pipeline.core.metrics.slices import accuracy, mean_absolute_error
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.balance import stage as balance
from pipeline.clean.stage import check_classes
from pipeline.core.dataset import groups
from pipeline.core.errors import ProjectError
from pipeline.core.page.balance_words import before_training
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import strictly
from pipeline.ingest.stage import check_names
from pipeline.rehearse.bad_requests import bad_requests, encoded
from pipeline.rehearse.replay import as_requests
from pipeline.report.card import roles
from pipeline.service.checks import between_in_words
from pipeline.service.field_types import within_64_bits
from pipeline.split.stage import Settings as SplitSettings
from pipeline.split.stage import divide
from pipeline.tabular.balancing import correlation, discretization, ranking
from pipeline.tabular.data import content, profile
from pipeline.tabular.data.cleaning import cleaned
from pipeline.tabular.evaluation import slices
from pipeline.tabular.evaluation.features import binned, levels, matrix, told

BASE: dict[str, Any] = {"target": "label", "positive": "yes"}
TABLE = pl.DataFrame(
    {
        "n": [1.0, None, 3, 4],
        "d": [date(2020, 1, 1), date(2020, 1, 2), None, date(2020, 1, 4)],
        "w": [1.0, 2.0, 3.0, 2.0],
        "who": ["Ann", "Bob", "Cid", "Dee"],
        "label": ["yes", "no", "yes", "no"],
    }
)


def columns(**keys: Any) -> Columns:
    return Columns.model_validate({**BASE, **keys})


def weighed(table: pl.DataFrame, used: Columns, **keys: Any) -> tuple[pl.DataFrame, Any]:
    settings = strictly(balance.Settings, keys, {"modality": "tabular"})
    return balance.balanced(table, Project("one", "tabular", settings, {"columns": used}))


def test_rows_without_a_needed_value_are_dropped_and_counted_by_column() -> None:
    used = columns(numeric=["n"], dates=["d"], missing={"n": "drop_row", "d": "drop_row"})
    table, ledger = cleaned(TABLE, (), used)
    assert table["who"].to_list() == ["Ann", "Dee"]
    assert table["_row"].to_list() == [0, 3]
    assert [(one["name"], one["rule"], one["rows_dropped"]) for one in ledger] == [
        ("rows without n", "drop_missing", 1),
        ("rows without d", "drop_missing", 1),
    ]


def test_what_is_no_finite_number_is_missing_and_counted() -> None:
    table = pl.DataFrame({"n": [1.0, float("nan"), float("inf")], "m": [1.0, 2, 3]})
    clean, ledger = cleaned(table, (), columns(numeric=["n"], missing={"n": "drop_row"}))
    assert clean["n"].to_list() == [1]
    assert ledger[0]["cells"] == {"n": 2}
    assert ledger[1]["rows_dropped"] == 2


def test_a_date_that_is_none_is_refused_with_the_rule_to_add() -> None:
    table = TABLE.with_columns(d=pl.col("d").cast(pl.String))
    with pytest.raises(ProjectError, match=r"columns\.dates: expected dates in 'd'") as refused:
        check_classes(table, columns(dates=["d"]))
    assert "formats: {d:" in refused.value.hint
    check_classes(TABLE, columns(dates=["d"], numeric=["n"]))


def test_delivered_weights_have_the_mean_one_and_multiply_those_of_reweigh() -> None:
    used = columns(numeric=["n"], weight="w")
    table, report = weighed(TABLE, used)
    assert table["_weight"].to_list() == [0.5, 1, 1.5, 1]
    assert report["weight"] == {
        "column": "w",
        "min": 0.5,
        "max": 1.5,
        "effective_rows": 3.6,  # 4² / (0.25 + 1 + 2.25 + 1) = 3.56
    }
    assert "0.50 to 1.50" in before_training(report)
    assert "count every row once" in before_training(report)


def test_reweigh_makes_group_and_label_independent_in_the_weighted_rows() -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "n": rng.normal(size=400),
            "w": rng.choice([0.1, 1.0, 9.0], 400),
            "sex": rng.choice(["F", "M"], 400),
            "label": rng.choice(["yes", "no"], 400, p=[0.3, 0.7]),
        }
    )
    used = columns(numeric=["n"], weight="w", sensitive=["sex"])
    found, _ = weighed(table, used, method="reweigh")
    weight = pl.col("_weight").cast(pl.Float64)
    rates = found.group_by("sex").agg((weight * (pl.col("label") == "yes")).sum() / weight.sum())[
        "_weight"
    ]
    assert rates[0] == pytest.approx(rates[1], abs=1e-6)
    assert found["_weight"].cast(pl.Float64).mean() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, None, 1, 1], "1 missing"),
        ([1.0, -2, 1, 1], "1 negative"),
        ([0.0, 0, 1, 1], "2 zero"),
        ([1.0, float("inf"), 1, 1], "1 infinite"),
        (["1", "2", "3", "4"], "expected numbers in 'w'"),
    ],
)
def test_weights_that_cannot_weigh_a_row_are_refused_by_count(values: Any, words: str) -> None:
    table = TABLE.with_columns(w=pl.Series(values))
    with pytest.raises(ProjectError, match=r"columns\.weight") as refused:
        check_classes(table, columns(numeric=["n"], weight="w"))
    assert words in str(refused.value)
    assert refused.value.hint


def test_identifier_and_weight_must_be_delivered_and_are_neither_shown_nor_hashed() -> None:
    used = columns(numeric=["n"], identifier="who", weight="w", drop={"d": "not needed"})
    assert set(used.all) == set(TABLE.columns)
    assert used.features == ("n",)
    shown = {one["name"]: one for one in profile.columns(TABLE, ["who"])}
    assert (shown["who"]["top"], shown["who"]["num_distinct"]) == ([], 4)
    assert shown["n"]["top"]
    table = TABLE.with_columns(pl.lit(0).alias("_row"))
    keys = [
        part["_key"].to_list() for part in divide(table, SplitSettings(), used, content).values()
    ]
    others = table.with_columns(who=pl.lit("x"), w=pl.lit(7.0))
    again = [
        part["_key"].to_list() for part in divide(others, SplitSettings(), used, content).values()
    ]
    assert keys == again
    assert "never shown" in roles(used)["who"]
    assert "weighs the rows" in roles(used)["w"]


def test_the_service_is_asked_not_to_take_what_is_not_used_and_to_want_what_is_needed() -> None:
    used = columns(
        numeric=["n"], dates=["d"], missing={"n": "drop_row"}, identifier="who", weight="w"
    )
    contract = {"prepared": {"expectations": []}}
    made = {one.name for one in bad_requests({"n": 1.0, "d": "2020-01-01"}, used, contract, 9, 999)}
    assert {"the unused column who", "the unused column w", "null in n", "no n"} <= made
    assert {"words for a date in d", "true for a date in d"} <= made


@pytest.mark.parametrize("name", ["_row", "_key", "_weight"])
def test_names_that_stages_add_are_refused_by_name(name: str) -> None:
    with pytest.raises(ProjectError, match=f"no delivered column '{name}'") as refused:
        check_names([name, "label"], "raw/x.csv")
    assert "rename" in refused.value.hint
    with pytest.raises(ValueError, match=f"'{name}'"):
        columns(numeric=[name])


@pytest.mark.parametrize("name", ["*", "^a.*$"])
def test_names_that_stand_for_several_columns_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no pattern"):
        columns(numeric=[name])


def test_limits_of_any_size_are_said_in_few_signs_and_written_as_json() -> None:
    limit = 13 * 10**307
    assert between_in_words(-limit, limit) == "from -1.3e+308 to 1.3e+308"
    assert between_in_words(0, 1_000_000) == "from 0 to 1,000,000"
    assert between_in_words("2020-01-01", None) == "at least 2020-01-01"
    assert within_64_bits(limit) == 1.3e308
    assert within_64_bits(2**62) == 2**62
    kwargs = {"column": "n", "min_value": -limit, "max_value": limit}
    entry = {"type": "expect_column_values_to_be_between", "kwargs": kwargs, "severity": "critical"}
    made = bad_requests(
        {"n": 1.0}, columns(numeric=["n"]), {"prepared": {"expectations": [entry]}}, 9, 999
    )
    assert not any("64 bits" in one.name for one in made)  # 10²⁵ is a good value there


def test_delivered_rows_are_written_as_json_carries_them() -> None:
    rows = pl.DataFrame(
        {
            "d": [date(2020, 1, 2), None],
            "t": [datetime(2020, 1, 2, 3, 4, 5, 600), None],
            "n": [float("inf"), 1.5],
            "b": [True, None],
        }
    )
    assert as_requests(rows) == [
        {"d": "2020-01-02", "t": "2020-01-02T03:04:05.000600", "n": None, "b": True},
        {"d": None, "t": None, "n": 1.5, "b": None},
    ]
    assert b"NaN" not in encoded(as_requests(rows))


DATED = pl.DataFrame(
    {
        "d": [date(2020, 1, 1) + timedelta(days=i) for i in range(99)] + [None],
        "b": [i % 3 == 0 for i in range(100)],
        "label": ["yes", "no"] * 50,
    }
)
OF_DATES = columns(dates=["d"], categorical=["b"])


def test_what_counts_rows_takes_dates_as_days_and_booleans_as_levels() -> None:
    rows, categorical = matrix(DATED, OF_DATES)
    assert rows[:2, 1].tolist() == [18262, 18263]
    assert np.isnan(rows[99, 1])
    assert categorical.tolist() == [True, False]
    assert binned(DATED, "d", OF_DATES)[99] == 0
    found = levels(DATED, "d")
    assert found[0] == "(-∞, 2020-01-26]"
    assert found[99] == "(missing)"
    by = accuracy(slices.slices_of(DATED, OF_DATES), DATED["b"], min_rows=5)
    named = {(one["column"], one["slice"]): one["accuracy"] for one in by}
    assert named[("b", "true")] == 1
    assert named[("b", "false")] == 0
    assert ("d", "(2020-03-15, ∞]") in named
    errors = mean_absolute_error(
        slices.slices_of(DATED, OF_DATES), pl.Series([1.0] * 100), min_rows=5
    )
    assert {one["column"] for one in errors} == {"b", "d"}
    assert ranking.own_label(DATED, OF_DATES, seed=0).shape == (100,)


def test_made_dates_are_dates_within_those_that_there_are() -> None:
    codes = discretization.fit(DATED, ["d"], ["b"])
    made = codes.table(codes.codes(DATED), DATED.schema, seed=0)
    assert made.schema == {"d": pl.Date, "b": pl.Boolean}
    assert made["d"].null_count() == 1
    assert made["d"].min() >= date(2020, 1, 1)  # type: ignore[operator]
    assert (made["b"] == DATED["b"]).all()


def test_a_project_of_dates_alone_has_no_number_to_decorrelate() -> None:
    with pytest.raises(ProjectError, match="changes numbers, and the project has none"):
        correlation.check_numbers(["b"], OF_DATES)


def test_a_date_makes_no_groups_but_by_few_values() -> None:
    used = columns(sensitive=["d"])
    with pytest.raises(ProjectError, match="found 100 dates") as refused:
        groups.levels(DATED, "d", used)
    assert "an age or a year" in refused.value.hint


def test_features_without_values_are_left_out_of_trees() -> None:
    rows = np.array([[1.0, np.nan, i] for i in range(30)])
    assert told(rows).tolist() == [True, False, True]
