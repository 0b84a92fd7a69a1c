"""What each method does to the training rows; without one every row weighs 1."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.balance import stage as balance
from pipeline.balance.reweighing import weights
from pipeline.balance.stage import Settings, run
from pipeline.core.balancing.contingency import contingency
from pipeline.core.errors import GateRefused, ProjectError
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import Project
from pipeline.core.settings.sections import section
from pipeline.core.settings.typed_settings import strictly
from tests.people import columns_of, people

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


def settings_of(**keys: Any) -> Settings:
    return strictly(Settings, keys, {"modality": "tabular"})


def balanced(
    table: pl.DataFrame, columns: Columns, settings: Settings
) -> tuple[pl.DataFrame, dict[str, Any]]:
    return balance.balanced(table, Project("one", "tabular", settings, {"columns": columns}))


def test_no_method_weighs_every_row_the_same() -> None:
    table, report = balanced(TABLE, COLUMNS, settings_of())
    assert table["_weight"].to_list() == [1.0] * 10
    assert table.schema["_weight"] == pl.Float32
    assert report["method"] == "none"


def test_reweigh_by_hand() -> None:
    table, report = balanced(TABLE, COLUMNS, settings_of(method="reweigh", columns=("sex",)))
    # P(s) P(y) / P(s, y): F yes .6·.5/.2 = 1.5, F no .3/.4 = .75, M yes .2/.3, M no .2/.1 = 2.
    assert table["x"].to_list() == list(range(10))
    assert table["_weight"].to_list() == pytest.approx(
        [1.5, 1.5, 0.75, 0.75, 0.75, 0.75, 2 / 3, 2 / 3, 2 / 3, 2]
    )
    assert report["cells"][1] == {
        "group": {"sex": "F"},
        "label": "yes",
        "num_rows": 2,
        "num_rows_after": 2,
        "weight": 1.5,
    }


def test_weighted_label_rates_are_equal_over_all_groups_and_the_mean_is_one() -> None:
    skewed = pl.concat([TABLE] * 3 + [TABLE.filter(pl.col("label") == "yes")])
    skewed = skewed.with_columns(
        sex=pl.when(pl.int_range(pl.len()) % 11 == 0).then(None).otherwise("sex")
    ).with_columns(
        label=pl.when(pl.int_range(pl.len()) % 22 == 0).then(pl.lit("no")).otherwise("label")
    )
    table, _ = balanced(skewed, COLUMNS, settings_of(method="reweigh", columns=("sex",)))
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
    assert weights(contingency(table, ("sex",), COLUMNS)).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("method", ["reweigh", "resample"])
def test_a_group_of_one_class_is_refused(method: Any) -> None:
    lonely = TABLE.filter((pl.col("sex") == "F") | (pl.col("label") == "yes"))
    with pytest.raises(ProjectError, match="1 of 2 groups, 3 rows in all, lack one"):
        balanced(lonely, COLUMNS, settings_of(method=method, columns=("sex",)))


def test_resampled_rows_keep_their_order_and_what_names_them() -> None:
    named = TABLE.with_columns(_row=pl.int_range(10, dtype=pl.UInt32), _key=pl.col("x") * 7)
    settings = settings_of(method="resample", columns=("sex",))
    table, report = balanced(named, COLUMNS, settings)
    # Independent: F 3 of 6 positive, M 2 of 4.
    counted = {(c["group"]["sex"], c["label"]): c["num_rows_after"] for c in report["cells"]}
    assert counted == {("F", "not yes"): 3, ("F", "yes"): 3, ("M", "not yes"): 2, ("M", "yes"): 2}
    assert (table["label"] == "yes").sum() == 5
    assert table.height == report["num_rows_after"] == 10
    assert table["_row"].is_sorted()
    assert table["_row"].filter(table["sex"] == "M").to_list()[-2:] == [9, 9]  # M no, twice
    assert table["_key"].equals((table["_row"] * 7).cast(pl.Int64).alias("_key"))
    assert report["num_left_out"] == 10 - table["_row"].n_unique() == 2
    assert table["_weight"].to_list() == [1.0] * 10
    assert balanced(named, COLUMNS, settings)[0].equals(table)


def test_preferential_drawing_repeats_rows_that_look_least_like_their_label() -> None:
    table = people(1500)
    score = 0.15 * pl.col("hours") + 0.03 * pl.col("age").fill_null(44)
    score += pl.when(pl.col("job") == "smith").then(1.5).otherwise(0.0)  # what makes it likely
    settings = settings_of(method="resample", columns=["sex"], drawing="preferential")
    drawn, report = balanced(table, columns_of(), settings)
    assert report["drawing"] == "preferential"
    times = table.join(drawn.group_by("_row").len("times"), on="_row", how="left")
    times = times.with_columns(score=score).filter(pl.col("income") == "high")
    women, men = (times.filter(pl.col("sex") == sex) for sex in ("female", "male"))
    again, gone = pl.col("times") > 1, pl.col("times").is_null()
    assert 0 < women.filter(again).height < women.height
    assert women.filter(again)["score"].mean() < women.filter(~again)["score"].mean() - 0.5
    assert men.filter(gone)["score"].mean() < men.filter(~gone)["score"].mean() - 0.5


@pytest.mark.parametrize("sampling", ["over", "under", "to_size"])
def test_resampling_makes_label_rates_equal_up_to_whole_rows(sampling: Any) -> None:
    big = pl.concat([TABLE, TABLE.with_columns(race=pl.col("race").reverse())] * 20)
    settings = settings_of(method="resample", columns=("sex", "race"), sampling=sampling)
    table, report = balanced(big, COLUMNS, settings)
    rates = table.group_by("sex", "race").agg((pl.col("label") == "yes").mean())["label"]
    assert rates.max() - rates.min() < 0.02
    repeats = table.height - report["num_rows"] + report["num_left_out"]
    assert (repeats == 0) == (sampling == "under")
    assert (report["num_left_out"] == 0) == (sampling == "over")


def test_the_correlation_remover_changes_numbers_alone() -> None:
    settings = settings_of(method="correlation_remover", columns=("sex",))
    table, report = balanced(TABLE, COLUMNS, settings)
    means = table.group_by("sex").agg(pl.col("x").mean())["x"]
    assert means.to_list() == pytest.approx([4.5, 4.5])  # F were 0 to 5, M 6 to 9
    assert table.drop("x", "_weight").equals(TABLE.drop("x"))
    assert report["correlations"][0]["after"] == 0


def test_a_regression_has_no_labels_to_balance_by() -> None:
    columns = Columns(target="x", task="regression", sensitive=("sex",))
    with pytest.raises(ProjectError, match="found a regression"):
        balanced(TABLE, columns, settings_of(method="resample"))


def test_groups_are_made_by_sensitive_columns_alone() -> None:
    with pytest.raises(ProjectError, match="expected sensitive columns"):
        balanced(TABLE, COLUMNS, settings_of(method="reweigh", columns=("x",)))


def test_a_delivered_column_of_the_added_name_is_refused() -> None:
    with pytest.raises(ProjectError, match="_weight"):
        balanced(TABLE.with_columns(_weight=1), COLUMNS, settings_of())


def test_the_stage_writes_train_and_its_report(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "one", "balance")
    source = paths.input("split", "train.parquet")
    source.parent.mkdir(parents=True)
    TABLE.write_parquet(source)
    settings = settings_of(method="reweigh", columns=("sex",))
    run(Project("one", "tabular", settings, {"columns": COLUMNS}), paths)
    assert pl.read_parquet(paths.output("train.parquet")).columns == [*TABLE.columns, "_weight"]
    assert json.loads(paths.output("report.json").read_text())["columns"] == ["sex"]


def written(paths: Paths) -> list[str]:
    folder = paths.output("")
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def made_project(tmp_path: Path, **limits: Any) -> tuple[Project[Settings], Paths]:
    """A project with synthetic rows of a quick and bad generator; its training part is there."""
    paths = Paths(tmp_path, "people", "balance")
    source = paths.input("split", "train.parquet")
    source.parent.mkdir(parents=True)
    people(700).write_parquet(source)
    synthetic = {"num_epochs": 1, "width": 8, **limits}
    settings = settings_of(method="synthetic_vae", columns=["sex"], synthetic=synthetic)
    return Project("people", "tabular", settings, {"columns": columns_of()}), paths


def test_made_rows_weigh_as_the_others_and_the_report_counts_them(tmp_path: Path) -> None:
    limits = ("column_distance", "discriminator_auc", "closer_to_seen", "copies_beyond_chance")
    project, paths = made_project(tmp_path, **{f"max_{name}": 1.0 for name in limits})
    run(project, paths)
    table = pl.read_parquet(paths.output("train.parquet"))
    report = json.loads(paths.output("report.json").read_text())
    assert table["_weight"].to_list() == [1.0] * table.height
    assert report["num_rows"] == 700
    assert report["num_rows_after"] == 700 + report["num_made"] == table.height
    assert sum(cell["num_rows_after"] for cell in report["cells"]) == table.height
    assert [check["name"] for check in report["checks"]] == list(limits)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"method": "correlation_remover"}, "method: .*projects of image.*correlation_remover"),
        ({"method": "synthetic_gan"}, "method: .*synthetic_gan"),
        ({"method": "resample", "drawing": "preferential"}, "drawing: .*preferential"),
    ],
)
def test_what_works_on_columns_alone_is_refused_of_images(
    tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    file = tmp_path / "data/clothes/project.yaml"
    with pytest.raises(ProjectError, match=words) as caught:
        section(file, {"balance": keys}, "balance", Settings, "image")
    assert "`method: reweigh`" in caught.value.hint
    section(file, {"balance": keys}, "balance", Settings, "tabular")
    section(file, {"balance": {"method": "resample"}}, "balance", Settings, "image")


def test_refused_rows_leave_nothing_written(tmp_path: Path) -> None:
    project, paths = made_project(tmp_path, max_discriminator_auc=0.501)
    with pytest.raises(GateRefused, match="discriminator_auc"):
        run(project, paths)
    assert written(paths) == []
