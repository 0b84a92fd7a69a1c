"""Weights make label rates equal over groups; without a method every row weighs 1."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.balance import Settings, balanced, reweighed, run
from pipeline.core.errors import ProjectError
from pipeline.core.paths import Paths
from pipeline.core.project import Columns, Project

COLUMNS = Columns(target="label", positive="yes", numeric=("x",), sensitive=("sex", "race"))
# By sex: F 6 rows, 2 positive; M 4 rows, 3 positive; 5 of 10 positive in all.
TABLE = pl.DataFrame(
    {
        "x": range(10),
        "sex": ["F"] * 6 + ["M"] * 4,
        "race": ["a", "b"] * 5,
        "label": ["yes", "yes", "no", "no", "no", "no", "yes", "yes", "yes", "no"],
    }
)


def test_no_method_weighs_every_row_the_same() -> None:
    table, report = balanced(TABLE, COLUMNS, Settings())
    assert table["_weight"].to_list() == [1.0] * 10
    assert table.schema["_weight"] == pl.Float32
    assert report["method"] == "none"


def test_reweigh_by_hand() -> None:
    table, report = balanced(TABLE, COLUMNS, Settings(method="reweigh", columns=("sex",)))
    # P(s) P(y) / P(s, y): F yes .6·.5/.2 = 1.5, F no .3/.4 = .75, M yes .2/.3, M no .2/.1 = 2.
    assert table["x"].to_list() == list(range(10))
    assert table["_weight"].to_list() == pytest.approx(
        [1.5, 1.5, 0.75, 0.75, 0.75, 0.75, 2 / 3, 2 / 3, 2 / 3, 2]
    )
    assert report["weights"][1] == {
        "group": {"sex": "F"},
        "positive": True,
        "num_rows": 2,
        "weight": 1.5,
    }


def test_weighted_label_rates_are_equal_over_all_groups_and_the_mean_is_one() -> None:
    skewed = pl.concat([TABLE] * 3 + [TABLE.filter(pl.col("label") == "yes")])
    skewed = skewed.with_columns(
        sex=pl.when(pl.int_range(pl.len()) % 11 == 0).then(None).otherwise("sex")
    ).with_columns(
        label=pl.when(pl.int_range(pl.len()) % 22 == 0).then(pl.lit("no")).otherwise("label")
    )
    table, _ = balanced(skewed, COLUMNS, Settings(method="reweigh", columns=("sex",)))
    weight = pl.col("_weight")
    rates = table.group_by("sex").agg(
        rate=weight.filter(pl.col("label") == "yes").sum() / weight.sum()
    )
    overall = (skewed["label"] == "yes").mean()
    assert rates.height == 3  # F, M, and those without
    assert rates["rate"].to_list() == pytest.approx([overall] * 3, abs=1e-6)
    assert table["_weight"].mean() == pytest.approx(1, abs=1e-6)


def test_counts_of_millions_do_not_overflow() -> None:
    table = pl.DataFrame(
        {"sex": pl.repeat("F", 200_000, eager=True), "label": ["yes", "no"] * 100_000}
    )
    assert reweighed(table, ("sex",), COLUMNS)["_weight"].to_list() == [1.0, 1.0]


def test_a_group_of_one_class_is_refused() -> None:
    lonely = TABLE.filter((pl.col("sex") == "F") | (pl.col("label") == "yes"))
    with pytest.raises(ProjectError, match="1 of 2 groups, 3 rows in all, have one class alone"):
        balanced(lonely, COLUMNS, Settings(method="reweigh", columns=("sex",)))


def test_groups_are_made_by_sensitive_columns_alone() -> None:
    with pytest.raises(ProjectError, match="expected sensitive columns"):
        balanced(TABLE, COLUMNS, Settings(method="reweigh", columns=("x",)))


def test_a_delivered_column_of_the_added_name_is_refused() -> None:
    with pytest.raises(ProjectError, match="_weight"):
        balanced(TABLE.with_columns(_weight=1), COLUMNS, Settings())


def test_the_stage_writes_train_and_its_report(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "one", "balance")
    source = paths.input("split", "train.parquet")
    source.parent.mkdir(parents=True)
    TABLE.write_parquet(source)
    settings = Settings(method="reweigh", columns=("sex",))
    run(Project("one", "tabular", settings, {"columns": COLUMNS}), paths)
    assert pl.read_parquet(paths.output("train.parquet")).columns == [*TABLE.columns, "_weight"]
    assert json.loads(paths.output("report.json").read_text())["columns"] == ["sex"]
