"""Targets over the parts of a split: scipy's test, and the one that `split` has for two classes."""

from typing import Any

import polars as pl
import pytest
from scipy.stats import chi2_contingency

from pipeline.core.cleaning.cleaning import Cleaner
from pipeline.core.cleaning.rules import Replace
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.split.checks import check_classes, check_stratification, stratification
from pipeline.split.strata import chi_square, described, strata

GRADES = Columns(target="grade", task="multiclass")
WAGES = Columns(target="wage", task="regression")


def of_single_rows(parts: dict[str, pl.DataFrame], columns: Columns, by: str) -> dict[str, Any]:
    """The test of rows that each have a key of their own."""
    keyed = {name: part.with_row_index("_key") for name, part in parts.items()}
    return stratification(keyed, columns, by)


def graded(**counts: list[int]) -> dict[str, pl.DataFrame]:
    """Parts with these numbers of the grades a, b and c."""
    return {
        name: pl.DataFrame({"grade": ["a"] * num[0] + ["b"] * num[1] + ["c"] * num[2]})
        for name, num in counts.items()
    }


def test_the_statistic_is_that_of_the_table_of_part_and_rest() -> None:
    statistic, p_value = chi_square([30, 50, 20], [90, 110, 100])
    known = chi2_contingency([[30, 50, 20], [60, 60, 80]], correction=False)
    assert (statistic, p_value) == pytest.approx((known.statistic, known.pvalue))


def test_of_two_classes_it_is_the_same_as_for_a_binary_task() -> None:
    parts = {
        "train": pl.DataFrame({"grade": ["a"] * 60 + ["b"] * 40}),
        "test": pl.DataFrame({"grade": ["a"] * 40 + ["b"] * 60}),
    }
    binary = of_single_rows(parts, Columns(target="grade", positive="a"), "content")
    several = of_single_rows(parts, GRADES, "content")
    assert several == binary


def test_a_part_with_another_share_of_one_class_is_refused() -> None:
    alike = graded(train=[500, 300, 200], test=[240, 160, 100])
    check_stratification(of_single_rows(alike, GRADES, "content"))
    other = graded(train=[500, 300, 200], test=[240, 40, 220])
    with pytest.raises(ProjectError, match="label rate"):
        check_stratification(of_single_rows(other, GRADES, "content"))


def test_numbers_are_compared_by_quarters_of_all_values() -> None:
    parts = {"train": pl.DataFrame({"wage": range(1, 9)}), "test": pl.DataFrame({"wage": [2, 7]})}
    # Of 1…8, 2 and 7 the quartiles are 2.25, 4.5 and 6.75.
    assert strata(parts, WAGES) == {"train": [2, 2, 2, 2], "test": [1, 0, 0, 1]}


def test_numbers_that_drift_between_parts_are_refused() -> None:
    parts = {
        "train": pl.DataFrame({"wage": [float(i % 100) for i in range(400)]}),
        "test": pl.DataFrame({"wage": [float(i % 100) / 2 for i in range(400)]}),
    }
    with pytest.raises(ProjectError, match="label rate"):
        check_stratification(of_single_rows(parts, WAGES, "content"))
    check_stratification(of_single_rows(parts, WAGES, "time"))


@pytest.mark.parametrize("lacking", ["train", "test"])
def test_a_part_that_lacks_a_class_is_refused(lacking: str) -> None:
    parts = {**graded(train=[9, 9, 9], test=[9, 9, 9]), **graded(**{lacking: [9, 9, 0]})}
    with pytest.raises(ProjectError) as caught:
        check_classes(parts, GRADES)
    assert f"{lacking}: 18 rows, 1 of 3 classes lacking: 'c' (9 rows in all)" in str(caught.value)


def test_the_first_lacking_classes_are_named_and_the_rest_counted() -> None:
    whole = pl.DataFrame({"grade": [f"class {i}" for i in range(8)]})
    with pytest.raises(ProjectError) as caught:
        check_classes({"train": whole, "test": whole[:1]}, GRADES)
    (finding,) = caught.value.findings
    assert finding.startswith("test: 1 rows, 7 of 8 classes lacking: 'class 1' (1 row in all), ")
    assert finding.endswith("'class 5' (1 row in all), 2 more")


def test_rare_classes_are_joined_as_the_hint_says() -> None:
    parts = graded(train=[9, 9, 9], test=[9, 9, 0])
    with pytest.raises(ProjectError, match=r"`replace` with `column: grade` under `clean\.rules`"):
        check_classes(parts, GRADES)
    rule = Replace(name="few", rule="replace", column="grade", mapping={"c": "b"})
    check_classes({name: Cleaner().apply(rows, [rule])[0] for name, rows in parts.items()}, GRADES)


def test_parts_of_numbers_need_rows_alone() -> None:
    parts = {"train": pl.DataFrame({"wage": [1.0, 2.0]}), "test": pl.DataFrame({"wage": [3.0]})}
    check_classes(parts, WAGES)
    with pytest.raises(ProjectError, match="rows of some target in every part"):
        check_classes({**parts, "test": parts["test"].clear()}, WAGES)


@pytest.mark.parametrize(
    ("columns", "table", "known"),
    [
        (
            GRADES,
            pl.DataFrame({"grade": ["b", "a", "b", "b"]}),
            {"classes": [("a", 1, 0.25), ("b", 3, 0.75)]},
        ),
        (WAGES, pl.DataFrame({"wage": [1.0, 3.0]}), {"target": (2.0, 1.0, 3.0)}),
    ],
)
def test_a_part_is_described_by_its_targets(
    columns: Columns, table: pl.DataFrame, known: dict[str, Any]
) -> None:
    found = described(table, columns)
    if columns.task == "regression":
        target = found["target"]
        assert (target["mean"], target["min"], target["max"]) == known["target"]
        # 2 ± 1.96 · √2 / √2
        assert (target["mean_low"], target["mean_high"]) == (0.040036, 3.959964)
    else:
        named = [(one["class"], one["num_rows"], one["share"]) for one in found["classes"]]
        assert named == known["classes"]
        assert all(one["low"] < one["share"] < one["high"] for one in found["classes"])
