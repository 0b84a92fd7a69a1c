"""Rules change what they say and count it; a table that cannot be learnt from is refused."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.clean.stage import Settings, check_classes, run
from pipeline.core.cleaning.cleaning import with_positions
from pipeline.core.cleaning.rules import Rule, for_requests
from pipeline.core.errors import ProjectError
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import Project
from pipeline.tabular.data.cleaning import apply

RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])


def rules(*entries: dict[str, Any]) -> tuple[Rule, ...]:
    named = [{"name": f"rule {number}"} | entry for number, entry in enumerate(entries)]
    return RULES.validate_python(tuple(named))


def one(
    table: dict[str, list[Any]], **rule: Any
) -> tuple[dict[str, list[Any]], dict[str, int], int]:
    clean, [entry] = apply(pl.DataFrame(table, strict=False), rules(rule))
    return clean.to_dict(as_series=False), entry["cells"], entry["rows_dropped"]


def test_strip_whitespace_makes_blank_text_missing() -> None:
    assert one({"a": [" x", "x", "  ", None], "n": [1, 2, 3, 4]}, rule="strip_whitespace") == (
        {"a": ["x", "x", None, None], "n": [1, 2, 3, 4]},
        {"a": 2},
        0,
    )


def test_missing_codes_touch_the_named_columns_alone() -> None:
    table = {"a": ["?", "x", None], "b": ["?", "?", "y"]}
    assert one(table, rule="missing_codes", columns=["a"], codes=["?"]) == (
        {"a": [None, "x", None], "b": ["?", "?", "y"]},
        {"a": 1},
        0,
    )
    assert one({"n": [-1, 5]}, rule="missing_codes", columns=["n"], codes=[-1])[0] == {
        "n": [None, 5]
    }


def test_replace_counts_changed_cells() -> None:
    assert one({"a": ["x.", "x", None]}, rule="replace", column="a", mapping={"x.": "x"}) == (
        {"a": ["x", "x", None]},
        {"a": 1},
        0,
    )


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2", "x", None], "integer", [1, -2, None, None]),
        ([1.0, 2.5], "integer", [1, None]),
        (["1.5", "nan", "inf"], "float", [1.5, None, None]),
        (["Yes", "0", "maybe"], "boolean", [True, False, None]),
        ([1, 0, 7], "boolean", [True, False, None]),
        ([1, None], "text", ["1", None]),
    ],
)
def test_cast_reads_what_it_can_and_counts_the_rest(
    values: list[Any], kind: str, expected: list[Any]
) -> None:
    clean, cells, _ = one({"a": values}, rule="cast", columns={"a": kind}, on_failure="missing")
    assert clean["a"] == expected
    lost = expected.count(None) - values.count(None)
    assert cells == ({"a": lost} if lost else {})


def test_cast_refuses_with_column_and_count_but_no_value() -> None:
    with pytest.raises(ProjectError) as caught:
        one({"a": ["1", "secret", "hidden"]}, rule="cast", columns={"a": "integer"})
    assert "a: 2 of 3 values are no integer" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_outside_range_makes_missing_or_drops_the_row() -> None:
    table = {"a": [0, 1, 9, 10, None]}
    assert one(table, rule="outside_range", column="a", min=1, max=9) == (
        {"a": [None, 1, 9, None, None]},
        {"a": 2},
        0,
    )
    assert one(table, rule="outside_range", column="a", max=9, action="drop_row") == (
        {"a": [0, 1, 9, None]},
        {},
        1,
    )
    with pytest.raises(ProjectError, match="put a `cast` rule before it"):
        one({"a": ["1"]}, rule="outside_range", column="a", min=1)


def test_duplicates_keep_the_first_and_its_position() -> None:
    table = with_positions(pl.DataFrame({"a": ["x", "y", "x"], "b": [1, 1, 1]}))
    clean, ledger = apply(table, rules({"rule": "drop_duplicates"}))
    assert clean.rows() == [("x", 1, 0), ("y", 1, 1)]
    assert clean.schema["_row"] == pl.UInt32
    assert ledger[0]["rows_dropped"] == 1


def test_drop_missing() -> None:
    table = {"a": [1, None, 3], "b": [None, 2, 3]}
    assert one(table, rule="drop_missing", columns=["a"]) == ({"a": [1, 3], "b": [None, 3]}, {}, 1)


def test_a_delivered_column_of_the_added_name_is_refused() -> None:
    with pytest.raises(ProjectError, match="_row"):
        with_positions(pl.DataFrame({"_row": [1]}))


def test_a_rule_on_an_absent_column_names_the_nearest() -> None:
    with pytest.raises(ProjectError) as caught:
        one({"income": ["x"]}, rule="replace", column="incme", mapping={"x": "y"})
    assert "expected a column 'incme'" in str(caught.value)
    assert "did you mean `income`?" in str(caught.value)


def test_codes_of_another_type_are_refused() -> None:
    with pytest.raises(ProjectError, match="quote text in YAML"):
        one({"a": ["1"]}, rule="missing_codes", columns=["a"], codes=[1])


@pytest.mark.parametrize(
    "entry",
    [
        {"rule": "strip"},
        {"rule": "strip_whitespace", "colums": ["a"]},
        {"rule": "outside_range", "column": "a"},
        {"rule": "outside_range", "column": "a", "min": 3, "max": 2},
        {"rule": "missing_codes", "codes": []},
    ],
)
def test_a_rule_that_is_none_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rules(entry)


def test_two_rules_of_one_name_are_refused() -> None:
    rule = {"name": "blanks", "rule": "strip_whitespace"}
    with pytest.raises(ValidationError, match="'blanks' twice"):
        Settings.model_validate({"rules": [rule, rule]})


def test_requests_get_the_rules_of_the_columns_that_they_carry() -> None:
    kept = for_requests(
        rules(
            {"rule": "strip_whitespace"},
            {"rule": "replace", "column": "income", "mapping": {"x.": "x"}},
            {"rule": "cast", "columns": {"age": "integer", "income": "text"}},
            {"rule": "drop_duplicates"},
        ),
        ("age", "job"),
    )
    assert [rule.rule for rule in kept] == ["strip_whitespace", "cast"]
    clean, _ = apply(pl.DataFrame({"age": [" 3"], "job": [" cook"]}), kept)
    assert clean.to_dicts() == [{"age": 3, "job": "cook"}]


COLUMNS = Columns(target="label", positive="yes", categorical=("age",), sensitive=("sex",))


@pytest.mark.parametrize(
    ("labels", "sexes", "words"),
    [
        (["yes", "yes"], ["F", "M"], "at least two classes in 'label', found 1"),
        (["a", "b"], ["F", "M"], "columns.positive: expected a value of 'label', got 'yes'"),
        (["yes", "no"], ["F", "F"], "at least two groups in 'sex', found 1"),
        ([], [], "expected rows after cleaning, found none"),
    ],
)
def test_a_table_with_nothing_to_learn_or_compare_is_refused(
    labels: list[str], sexes: list[str], words: str
) -> None:
    table = pl.DataFrame(
        {"label": labels, "sex": sexes}, schema={"label": pl.String, "sex": pl.String}
    )
    with pytest.raises(ProjectError, match=words) as caught:
        check_classes(table, COLUMNS)
    assert caught.value.hint


def test_a_regression_needs_numbers_and_several_classes_no_positive_one() -> None:
    table = pl.DataFrame({"label": ["1.5", "2"], "sex": ["F", "M"]})
    numbers = COLUMNS.model_copy(update={"task": "regression", "positive": ""})
    with pytest.raises(ProjectError, match="expected numbers in 'label' after cleaning") as caught:
        check_classes(table, numbers)
    assert "rule `cast`" in caught.value.hint
    check_classes(table.with_columns(pl.col("label").cast(pl.Float64)), numbers)
    check_classes(table, COLUMNS.model_copy(update={"task": "multiclass", "positive": ""}))


def home(tmp_path: Path) -> Paths:
    folder = tmp_path / "data" / "one"
    (folder / "10_ingest").mkdir(parents=True)
    pl.DataFrame({"label": ["yes", "no."], "sex": ["F", " M"], "age": ["1", "2"]}).write_parquet(
        folder / "10_ingest" / "snapshot.parquet"
    )
    return Paths(tmp_path, "one", "clean")


def stage(*entries: dict[str, Any]) -> Project[Settings]:
    return Project("one", "tabular", Settings(rules=rules(*entries)), {"columns": COLUMNS})


DOT = {"rule": "replace", "column": "label", "mapping": {"no.": "no"}}


def test_the_stage_writes_the_table_and_a_ledger_of_every_change(tmp_path: Path) -> None:
    paths = home(tmp_path)
    run(stage(DOT), paths)
    ledger = json.loads(paths.output("ledger.json").read_text())
    assert (ledger["rows_in"], ledger["rows_out"]) == (2, 2)
    assert ledger["rules"] == [
        {"name": "rule 0", "rule": "replace", "cells": {"label": 1}, "rows_dropped": 0}
    ]
    assert json.loads(paths.output("rules.json").read_text()) == [{"name": "rule 0", **DOT}]
    table = pl.read_parquet(paths.output("table.parquet"))
    assert table.columns == ["label", "sex", "age", "_row"]


def test_a_snapshot_without_a_column_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    paths = home(tmp_path)
    snapshot = paths.input("ingest", "snapshot.parquet")
    pl.read_parquet(snapshot).drop("sex").write_parquet(snapshot)
    with pytest.raises(ProjectError) as caught:
        run(stage(DOT), paths)
    assert str(caught.value) == (
        "expected the columns that data/one/project.yaml names, the snapshot lacks 'sex'\n"
        "  hint: `hallmark validate one` says what changed"
    )
    assert not paths.output("table.parquet").exists()
    assert not paths.output("ledger.json").exists()


def test_rows_without_a_label_are_refused_with_the_rule_that_drops_them() -> None:
    table = pl.DataFrame({"label": ["yes", "no", None], "sex": ["F", "M", "F"]})
    with pytest.raises(ProjectError) as caught:
        check_classes(table, COLUMNS)
    assert "1 of 3 have none" in str(caught.value)
    assert "drop_missing" in caught.value.hint


def test_a_numeric_feature_that_is_still_text_is_refused_without_its_values() -> None:
    columns = COLUMNS.model_copy(update={"numeric": ("age",), "categorical": ()})
    table = pl.DataFrame({"label": ["yes", "no"], "sex": ["F", "M"], "age": ["41", "secret"]})
    with pytest.raises(ProjectError, match="expected numbers in 'age'") as caught:
        check_classes(table, columns)
    assert "secret" not in str(caught.value)
    assert "`cast`" in caught.value.hint
