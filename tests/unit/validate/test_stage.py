"""What a delivery must meet, and what a person reads when it does not."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.core.cleaning.rules import Cleaning
from pipeline.core.contract.contract import load_contract
from pipeline.core.errors import ContractBreach, ProjectError
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import Project
from pipeline.validate.expectations import check
from pipeline.validate.stage import Settings, run

TABLE = pl.DataFrame(
    {
        "sex": ["F", "M", "M", "secret"],
        "age": [20, 30, 40, 500],
        "level": ["low", "low", "high", "high"],
        "code": [1, 1, 2, 1],
    }
)


def expectation(kind: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "kwargs": kwargs,
        "severity": severity,
        "meta": {"notes": "Because of the test."},
    }


def contract(*expectations: dict[str, Any]) -> dict[str, Any]:
    suite = {"name": "test", "expectations": list(expectations)}
    return {"delivered": suite, "prepared": suite}


def lines(*expectations: dict[str, Any], table: pl.DataFrame = TABLE) -> list[dict[str, Any]]:
    report = check(table, contract(*expectations), "delivered")
    return list(report["expectations"])


def test_counts_what_is_unexpected() -> None:
    in_set, between, missing = lines(
        expectation("expect_column_values_to_be_in_set", column="sex", value_set=["F", "M"]),
        expectation("expect_column_values_to_be_between", column="age", min_value=25, max_value=99),
        expectation("expect_column_values_to_not_be_null", column="sex"),
    )
    assert (in_set["success"], in_set["num_unexpected"], in_set["share_unexpected"]) == (
        False,
        1,
        0.25,
    )
    assert (between["success"], between["num_unexpected"]) == (False, 2)
    assert (missing["success"], missing["num_unexpected"]) == (True, 0)
    assert in_set["meaning"] == "Because of the test."
    assert in_set["expected"] == {"value_set": ["F", "M"]}


def test_pairs_are_counted_by_row_and_missing_values_are_no_pair() -> None:
    table = pl.DataFrame(
        {"a": ["x", "x", "y", "y", None, "x"], "b": [1, 2, 2, 2, 1, None]},
        schema={"a": pl.String, "b": pl.Int64},
    )
    [line] = lines(
        expectation(
            "expect_column_pair_values_to_be_in_set",
            column_A="a",
            column_B="b",
            value_pairs_set=[["x", 1], ["y", 2]],
            ignore_row_if="neither",
        ),
        table=table,
    )
    assert line["num_unexpected"] == 3  # (x, 2), (missing, 1) and (x, missing)


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "a", None, "c", None],
        [3, 1, 3, 2, None, 3],
        [0.5, None, 0.5, 1.0],
        [True, False],
        [1, "1", 1, None],
    ],
)
def test_a_value_that_is_met_twice_counts_each_time(values: list[Any]) -> None:
    times = Counter(value for value in values if value is not None)
    kind = pl.Object if len({type(value) for value in times}) > 1 else None
    table = pl.DataFrame({"sex": pl.Series(values, dtype=kind, strict=kind is None)})
    (found,) = lines(expectation("expect_column_values_to_be_unique", column="sex"), table=table)
    assert found["num_unexpected"] == sum(count for count in times.values() if count > 1)
    assert found["success"] is (found["num_unexpected"] == 0)


def test_expectations_on_the_table_see_all_its_rows_and_columns() -> None:
    rows, columns = lines(
        expectation("expect_table_row_count_to_be_between", min_value=4, max_value=4),
        expectation("expect_table_columns_to_match_set", column_set=["sex", "age"]),
    )
    assert (rows["success"], rows["observed"]) == (True, 4)
    assert (columns["success"], columns["observed"]) == (False, ["age", "code", "level", "sex"])


def test_a_row_condition_may_name_another_column() -> None:
    [line] = lines(
        expectation(
            "expect_column_values_to_be_in_set",
            column="code",
            value_set=[1],
            row_condition={
                "type": "comparison",
                "column": {"name": "level"},
                "operator": "==",
                "parameter": "high",
            },
        )
    )
    assert (line["success"], line["num_unexpected"]) == (False, 1)


def test_an_absent_column_and_the_wrong_type_fail_and_do_not_crash() -> None:
    absent, wrong = lines(
        expectation("expect_column_values_to_not_be_null", column="gone"),
        expectation("expect_column_values_to_be_between", column="sex", min_value=1, max_value=2),
    )
    assert (absent["success"], absent["observed"]) == (False, "no column 'gone'")
    assert (wrong["success"], wrong["observed"]) == (False, "values that it cannot be evaluated on")


def test_no_value_of_a_row_stands_in_the_report() -> None:
    text = json.dumps(
        lines(
            expectation("expect_column_values_to_be_in_set", column="sex", value_set=["F"]),
            expectation(
                "expect_column_distinct_values_to_be_in_set", column="sex", value_set=["F"]
            ),
            expectation("expect_column_most_common_value_to_be_in_set", column="sex", value_set=[]),
            expectation("expect_column_max_to_be_between", column="age", max_value=90),
        )
    )
    assert "secret" not in text
    assert "500" not in text


def test_the_same_table_gives_the_same_report() -> None:
    one = expectation("expect_column_mean_to_be_between", column="age", min_value=1)
    assert lines(one) == lines(one)
    assert lines(one)[0]["observed"] == 147.5


def project(tmp_path: Path, table: pl.DataFrame, content: dict[str, Any]) -> Paths:
    home = tmp_path / "data" / "one"
    (home / "10_ingest").mkdir(parents=True)
    table.write_parquet(home / "10_ingest" / "snapshot.parquet")
    (home / "contract.json").write_text(json.dumps(content))
    return Paths(tmp_path, "one", "validate")


COLUMNS = Columns(
    target="level", positive="low", numeric=("age",), sensitive=("sex",), drop={"code": "a code"}
)


def stage(**columns: Any) -> Project[Settings]:
    shared = {"columns": COLUMNS.model_copy(update=columns), "clean": Cleaning()}
    return Project("one", "tabular", Settings(), shared)


def test_a_critical_breach_stops_the_run_and_leaves_no_report(tmp_path: Path) -> None:
    paths = project(
        tmp_path,
        TABLE,
        contract(expectation("expect_column_values_to_be_in_set", column="sex", value_set=["M"])),
    )
    with pytest.raises(ContractBreach) as caught:
        run(stage(), paths)
    message = str(caught.value)
    assert "expected 4 rows to meet data/one/contract.json, found 1 thing" in message
    assert "- critical: sex: 2 new levels in 2 of 4 rows (50%) (not shown" in message
    assert "secret" not in message
    assert caught.value.exit_code == 2
    assert not paths.output("report.json").exists()


def test_a_warning_is_reported_and_the_run_goes_on(tmp_path: Path) -> None:
    paths = project(
        tmp_path,
        TABLE,
        contract(
            expectation(
                "expect_column_values_to_be_in_set", "warning", column="sex", value_set=["M"]
            )
        ),
    )
    run(stage(), paths)
    report = json.loads(paths.output("report.json").read_text())
    assert (report["success"], report["num_failed_warning"]) == (True, 1)
    assert (report["prepared"]["success"], report["prepared"]["num_failed_warning"]) == (True, 1)
    [cause] = report["causes"]
    assert (cause["kind"], cause["severity"], cause["num_expectations"]) == ("levels", "warning", 2)
    assert "secret" not in json.dumps(report)


def test_a_project_file_that_names_another_column_is_at_fault_not_the_delivery(
    tmp_path: Path,
) -> None:
    names = expectation("expect_table_columns_to_match_set", column_set=TABLE.columns)
    paths = project(tmp_path, TABLE, contract(names))
    with pytest.raises(ProjectError) as caught:
        run(stage(numeric=("agee",)), paths)
    assert str(caught.value).startswith(
        "data/one/project.yaml: expected the 4 columns that project.yaml names, found 4\n"
        "  - missing column 'agee'\n  - unknown column 'age'\n  hint: give every column a role"
    )


def test_what_breaks_after_cleaning_alone_stops_the_run_here(tmp_path: Path) -> None:
    text = TABLE.with_columns(pl.col("age").cast(pl.String))
    limits = expectation("expect_column_values_to_be_between", column="age", max_value=90)
    suites = {part: {"name": part, "expectations": [limits]} for part in ("delivered", "prepared")}
    suites["delivered"] = contract(
        expectation("expect_column_values_to_not_be_null", column="age")
    )["delivered"]
    paths = project(tmp_path, text, suites)
    cast = {"name": "numbers", "rule": "cast", "columns": {"age": "integer"}}
    given = stage()
    given.shared["clean"] = Cleaning.model_validate({"rules": (cast,)})  # type: ignore[index]
    with pytest.raises(ContractBreach) as caught:
        run(given, paths)
    assert "- critical: age: 1 of 4 rows (25%) above 90; now 20 to 500, half of it 30 to 40" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["expected the data contract data/one/contract.json, found none", "hint:"]),
        ("{", ["data/one/contract.json: expected JSON", "hint:"]),
        ("[]", ["expected the keys delivered and prepared"]),
        ("{}", ["delivered: expected a suite", "hint:"]),
        ('{"deliverd": {}}', ["unknown part `deliverd`", "did you mean `delivered`?"]),
    ],
)
def test_a_file_that_is_no_contract_is_named(
    tmp_path: Path, text: str | None, words: list[str]
) -> None:
    source = tmp_path / "contract.json"
    if text is not None:
        source.write_text(text)
    with pytest.raises(ProjectError) as caught:
        load_contract(source, "data/one/contract.json")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"severity": "critcal"},
            ["delivered.expectations[0].severity", "did you mean `critical`"],
        ),
        ({"severity": None}, ["expected critical or warning", "got nothing"]),
        ({"meta": {}}, ["delivered.expectations[0].meta.notes: expected a sentence"]),
        ({"type": 3}, ["delivered.expectations[0]: expected the key `type`"]),
    ],
)
def test_an_entry_without_severity_or_reason_is_named(
    tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    source = tmp_path / "contract.json"
    entry = expectation("expect_column_to_exist", column="a") | change
    source.write_text(json.dumps(contract(entry)))
    with pytest.raises(ProjectError) as caught:
        load_contract(source, "data/one/contract.json")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            expectation("expect_column_values_to_be_inn_set", column="sex"),
            ["delivered.expectations[0].type", "did you mean `expect_column_values_to_be_in_set`?"],
        ),
        (
            expectation("expect_column_values_to_be_in_set", colum="sex", value_set=[]),
            [
                "delivered.expectations[0].kwargs",
                "knows no argument `colum`",
                "did you mean `column`?",
            ],
        ),
    ],
)
def test_what_great_expectations_does_not_know_is_refused_not_skipped(
    entry: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ProjectError) as caught:
        check(TABLE, contract(entry), "delivered")
    for word in words:
        assert word in str(caught.value)


ADULT = Path(__file__).parents[3] / "data" / "adult" / "contract.json"
PUBLISHED = [
    "39",
    " State-gov",
    " 77516",
    " Bachelors",
    " 13",
    " Never-married",
    " Adm-clerical",
    " Not-in-family",
    " White",
    " Male",
    " 2174",
    " 0",
    " 40",
    " United-States",
    " <=50K",
]


def delivered(**changes: str) -> pl.DataFrame:
    """20,000 rows as published, one cell of one row in a hundred changed."""
    names = load_contract(ADULT, "contract.json")["delivered"]["expectations"][0]["kwargs"]
    row = dict(zip(names["column_set"], PUBLISHED, strict=True))
    fault = row | {name.replace("_", "-"): value for name, value in changes.items()}
    return pl.DataFrame([row] * 19_800 + [fault] * 200)


def failed(table: pl.DataFrame) -> list[tuple[str | None, int | None]]:
    report = check(table, load_contract(ADULT, "contract.json"), "delivered")
    return [
        (line.get("column"), line["num_unexpected"])
        for line in report["expectations"]
        if line["severity"] == "critical" and not line["success"]
    ]


def test_adult_as_published_passes() -> None:
    assert failed(delivered()) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", " 39.5"),
        ("education_num", " 17"),
        ("capital_gain", " $2174"),
        ("hours_per_week", "-40"),
        ("workclass", " Stategov"),
        ("education", "Bachelors"),
        ("race", " ?"),
        ("sex", " male"),
        ("income", " <50K"),
    ],
)
def test_adult_with_a_fault_in_one_column_is_refused(column: str, value: str) -> None:
    assert failed(delivered(**{column: value})) == [(column.replace("_", "-"), 200)]


def test_adult_cut_short_is_refused() -> None:
    assert failed(delivered().head(19_999)) == [(None, None)]


def test_adults_prepared_part_refuses_a_degree_with_another_number() -> None:
    table = pl.DataFrame({"education": ["Masters", "Masters", "9th"], "education-num": [14, 13, 5]})
    report = check(table, load_contract(ADULT, "contract.json"), "prepared")
    [pairs] = [
        one
        for one in report["expectations"]
        if "education" in one.get("columns", ()) and len(one["columns"]) == 2
    ]
    assert (pairs["success"], pairs["num_unexpected"]) == (False, 1)
    assert report["num_expectations"] >= 25
