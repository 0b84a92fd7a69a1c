"""A row keeps its part, parts share nothing, and a bad split is refused."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from pipeline.core.dataset.hashing import keyed_hash
from pipeline.core.errors import ArtifactMissing, ProjectError
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import Project
from pipeline.image.data import content as image_content
from pipeline.split.checks import (
    check_classes,
    check_leakage,
    check_stratification,
    num_alike_apart,
    num_shared,
    stratification,
)
from pipeline.split.stage import PARTS, Settings, Shares, divide, run
from pipeline.tabular.data import content
from tests.images import COLUMNS as IMAGES
from tests.images import encoded, picture
from tests.images import rows as image_rows

COLUMNS = Columns(target="label", positive="yes", numeric=("x",), sensitive=("sex",))
RNG = np.random.default_rng(7)


def rows(num: int, first: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "x": range(first, first + num),
            "sex": ["F" if i % 3 else "M" for i in range(num)],
            "person": [f"p{i // 2}" for i in range(first, first + num)],
            "label": ["yes" if i % 4 == 0 else "no" for i in range(num)],
            "_row": pl.Series(range(num), dtype=pl.UInt32),
        }
    )


def part_of(table: pl.DataFrame, settings: Settings, name: str = "x") -> dict[Any, str]:
    parts = divide(table, settings, COLUMNS, content)
    return {value: part for part, some in parts.items() for value in some[name]}


def test_every_row_is_in_one_part_and_shares_are_about_right() -> None:
    parts = divide(rows(20_000), Settings(), COLUMNS, content)
    assert list(parts) == list(PARTS)
    together = pl.concat(parts.values())
    assert sorted(together["x"]) == list(range(20_000))
    assert together.schema["_key"] == pl.UInt64
    for name, share in (("train", 0.48), ("validation", 0.1), ("calibration", 0.1), ("test", 0.32)):
        assert parts[name].height / 20_000 == pytest.approx(share, abs=0.015)  # 4 standard errors


def test_a_row_keeps_its_part_when_delivered_anew() -> None:
    first = rows(1000)
    order = RNG.permutation(1500)
    anew = pl.concat([first, rows(500, first=1000)])[order.tolist()]
    anew = anew.with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias("_row"))
    anew = anew.select(sorted(anew.columns))
    before, after = part_of(first, Settings()), part_of(anew, Settings())
    assert len(after) == 1500
    assert {value: after[value] for value in before} == before


def test_another_key_is_another_split() -> None:
    assert part_of(rows(200), Settings()) != part_of(rows(200), Settings(key="other"))


def test_the_hash_is_the_same_for_ever() -> None:
    """Fixed values: a change of them moves rows between parts of every project."""
    table = pl.DataFrame({"a": ["x", None], "b": [1, 2]})
    assert keyed_hash(table, "hallmark").tolist() == [9495681960538533378, 2950267482876708431]


def test_the_hash_tells_apart_what_differs() -> None:
    table = pl.DataFrame({"a": ["a", "ab", None, "", "None"], "b": ["bc", "c", "x", "x", "x"]})
    assert len(set(keyed_hash(table, "k").tolist())) == 5


def test_a_number_hashes_as_its_digits_whatever_its_type() -> None:
    values = [
        pl.Series("a", [3, -1], dtype=pl.Int64),
        pl.Series("a", [3, -1], dtype=pl.Int8),
        pl.Series("a", [3.0, -1.0]),
        pl.Series("a", ["3", "-1"]),
    ]
    hashes = {tuple(keyed_hash(one.to_frame(), "k").tolist()) for one in values}
    assert len(hashes) == 1
    fractions = keyed_hash(pl.DataFrame({"a": [0.5, 0.25, float("nan"), None, -0.0, 0.0]}), "k")
    assert len(set(fractions.tolist())) == 5  # -0.0 is 0.0


def test_rows_that_differ_in_their_label_alone_stay_together() -> None:
    table = pl.DataFrame({"x": [1, 1] * 50, "sex": ["F"] * 100, "label": ["yes", "no"] * 50})
    parts = divide(table, Settings(), COLUMNS, content)
    assert sorted(part.height for part in parts.values()) == [0, 0, 0, 100]


def test_groups_stay_together() -> None:
    parts = divide(rows(1000), Settings(by="group", column="person"), COLUMNS, content)
    people = [set(part["person"]) for part in parts.values()]
    assert sum(map(len, people)) == len(set.union(*people)) == 500
    check_leakage({"person": num_shared(parts, "person")})


def test_by_time_the_earliest_train_and_one_time_stays_together() -> None:
    days = [date(2020, 1, 1 + i // 2) for i in range(20)]
    table = pl.DataFrame(
        {"x": range(20), "sex": ["F"] * 20, "day": days, "label": ["yes", "no"] * 10}
    )
    shares = Shares(train=0.45, validation=0.15, calibration=0.1, test=0.3)
    parts = divide(
        table.reverse(), Settings(by="time", column="day", shares=shares), COLUMNS, content
    )
    # Of ten days of two rows: a day is in train while fewer than 45 % of the rows are earlier.
    assert {name: sorted(set(part["day"].dt.day())) for name, part in parts.items()} == {
        "train": [1, 2, 3, 4, 5],
        "validation": [6],
        "calibration": [7],
        "test": [8, 9, 10],
    }


def test_leakage_is_refused() -> None:
    parts = divide(rows(100), Settings(by="group", column="person"), COLUMNS, content)
    parts["test"] = pl.concat([parts["test"], parts["train"].head(1)])
    shared = {name: num_shared(parts, name) for name in ("_key", "person")}
    assert shared == {"_key": 1, "person": 1}
    with pytest.raises(ProjectError, match="'_key' in one part alone, found 1 in two or more"):
        check_leakage(shared)
    with pytest.raises(ProjectError, match="'person' in one part alone, found 1"):
        check_leakage({"_key": 0, "person": 1})


def test_the_same_image_in_two_parts_is_refused_whatever_divides_the_rows(tmp_path: Path) -> None:
    """Ten pictures, each as PNG and as JPEG, of twenty people: by person they part."""
    pictures = [picture(number) for number in range(10)]
    contents = [encoded(one) for one in pictures]
    contents += [encoded(one, "JPEG", quality=95) for one in pictures]
    table = image_rows([*contents, None]).with_columns(pl.col("id").alias("person"))
    settings = Settings(by="group", column="person")
    parts = divide(table, settings, IMAGES, image_content)
    numbers = {name: set(rows["person"]) for name, rows in parts.items()}
    apart = sum(not any({n, n + 10} <= some for some in numbers.values()) for n in range(10))
    assert apart > 0
    assert num_alike_apart(parts, IMAGES, image_content) == apart
    paths = home(tmp_path)
    table.write_parquet(paths.input("clean", "table.parquet"))
    paths.input("validate", "report.json").parent.mkdir()
    paths.input("validate", "report.json").write_text("{}")
    with pytest.raises(ProjectError, match=f"'image' in one part alone, found {apart} in two"):
        run(Project("one", "image", settings, {"columns": IMAGES}), paths)
    by_content = divide(table, Settings(), IMAGES, image_content)
    assert num_alike_apart(by_content, IMAGES, image_content) == 0


def test_a_dropped_column_does_not_take_twins_apart() -> None:
    table = rows(400).with_columns(x=pl.col("x") // 2, sex=pl.lit("F"), number=pl.col("x"))
    parts = divide(table, Settings(), COLUMNS, content)
    assert num_shared(parts, "x") == 0


def test_a_part_without_both_classes_is_refused() -> None:
    parts = divide(rows(1000), Settings(), COLUMNS, content)
    parts["calibration"] = parts["calibration"].filter(pl.col("label") == "no")
    with pytest.raises(ProjectError) as caught:
        check_classes(parts, COLUMNS)
    assert f"calibration: {parts['calibration'].height} rows, 0 of them positive" in str(
        caught.value
    )
    assert "split.shares" in caught.value.hint


def halves(num_yes: int) -> dict[str, pl.DataFrame]:
    def labels(num: int) -> pl.DataFrame:
        labels = ["yes"] * num + ["no"] * (100 - num)
        return pl.DataFrame({"label": labels, "_key": range(100)})

    return {"train": labels(num_yes), "test": labels(100 - num_yes)}


def test_label_rates_that_chance_does_not_explain_are_refused() -> None:
    # Pearson's chi-square of the table [[60, 40], [40, 60]] is 200·(60·60 - 40·40)²/100⁴ = 8.
    mild = stratification(halves(60), COLUMNS, "content")
    assert mild["parts"]["train"]["chi_square"] == pytest.approx(8)
    assert mild["parts"]["train"]["p_value"] == pytest.approx(0.004678, abs=1e-6)
    check_stratification(mild)
    strong = stratification(halves(70), COLUMNS, "content")
    assert strong["parts"]["train"]["chi_square"] == pytest.approx(32)
    with pytest.raises(ProjectError, match="label rate"):
        check_stratification(strong)
    check_stratification(stratification(halves(70), COLUMNS, "time"))


@pytest.mark.parametrize(
    "settings",
    [
        {"shares": {"train": 0.9}},
        {"by": "group"},
        {"column": "x"},
        {"key": ""},
        {"by": "random"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(by="group", column="persn"), "did you mean `person`?"),
        (Settings(by="time", column="person"), "expected a date, a time or a number"),
        (Settings(by="group", column="gap"), "1 of 10 have none"),
    ],
)
def test_a_column_that_cannot_decide_is_refused(settings: Settings, words: str) -> None:
    table = rows(10).with_columns(gap=pl.when(pl.col("x") > 0).then(pl.col("x")))
    with pytest.raises(ProjectError) as caught:
        divide(table, settings, COLUMNS, content)
    assert words in str(caught.value)


def home(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path, "one", "split")
    source = paths.input("clean", "table.parquet")
    source.parent.mkdir(parents=True)
    rows(2000).write_parquet(source)
    return paths


def test_nothing_is_divided_that_was_not_validated(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="15_validate"):
        run(Project("one", "tabular", Settings(), {"columns": COLUMNS}), home(tmp_path))


def test_the_stage_writes_four_parts_and_a_report(tmp_path: Path) -> None:
    paths = home(tmp_path)
    validated = paths.input("validate", "report.json")
    validated.parent.mkdir()
    validated.write_text('{"part": "delivered", "success": true, "expectations": []}')
    run(Project("one", "tabular", Settings(), {"columns": COLUMNS}), paths)
    report = json.loads(paths.output("report.json").read_text())
    sizes = {name: pl.read_parquet(paths.output(f"{name}.parquet")).height for name in PARTS}
    assert {name: part["rows"] for name, part in report["parts"].items()} == sizes
    assert sum(sizes.values()) == report["rows"] == 2000
    assert report["delivered"] == {"part": "delivered", "success": True}
    train = report["parts"]["train"]
    assert train["positive_rate_low"] < train["positive_rate"] < train["positive_rate_high"]
    assert sum(group["num_rows"] for group in train["groups"]["sex"]) == train["rows"]


def test_many_copies_of_few_rows_are_told_and_not_refused() -> None:
    """Twenty kinds of rows fall as twenty, not as thousands: their rates differ by chance."""
    few = rows(20).drop("_row")
    parts = divide(pl.concat([few] * 300), Settings(), COLUMNS, content)
    tests = stratification(parts, COLUMNS, "content")
    assert not tests["success"]
    assert not tests["decides"]
    check_stratification(tests)
    assert stratification(divide(rows(6_000), Settings(), COLUMNS, content), COLUMNS, "content")[
        "decides"
    ]
