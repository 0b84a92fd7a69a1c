"""What the contract and the profile say of images."""

import json
from typing import Any

import polars as pl
import pytest
from PIL import Image

from pipeline.core.contract_causes import compare
from pipeline.core.contract_edits import edited
from pipeline.core.errors import ProjectError
from pipeline.image import profile
from pipeline.image.contract_columns import measured
from tests.pictures import COLUMNS, bomb, encoded, picture, png, rows

WIDE = encoded(Image.new("L", (50_000, 2)))
CONTENTS = [
    png(1),
    encoded(picture(2, (40, 20)).convert("RGB"), "JPEG"),
    encoded(picture(1).convert("RGB")),
    b"no image",
    None,
    bomb(50_000, 50_000),
    png(3)[:150],
]


def test_each_image_is_measured() -> None:
    table = measured(rows(CONTENTS), COLUMNS)
    assert table.columns[:3] == ["id", "image", "label"]
    found = table.select(pl.col("^image\\..*$").name.map(lambda name: name.removeprefix("image.")))
    size = [len(one) if one is not None else None for one in CONTENTS]
    assert found.to_dict(as_series=False) == {
        "decodable": [True, True, True, False, None, False, False],
        "format": ["PNG", "JPEG", "PNG", None, None, "PNG", "PNG"],
        "mode": ["L", "RGB", "RGB", None, None, "L", "L"],
        "width": [28, 40, 28, None, None, 50_000, 28],
        "height": [28, 20, 28, None, None, 50_000, 28],
        "num_pixels": [784, 800, 784, None, None, 2_500_000_000, 784],
        "num_bytes": size,
        "num_near_duplicates": [1, 0, 1, None, None, None, None],
    }


def test_a_table_without_rows_or_without_the_image_can_be_measured() -> None:
    empty = pl.DataFrame(schema={"image": pl.Null})
    assert measured(empty, COLUMNS).width == 9
    other = pl.DataFrame({"picture": [b""]})
    assert measured(other, COLUMNS) is other


def test_the_profile_counts_forms_and_shows_no_value() -> None:
    image, label = profile.columns(rows(CONTENTS).select("image", "label"))
    assert (image["num_missing"], image["num_distinct"], image["top"]) == (1, 6, [])
    found = image["images"]
    assert (found["num_undecodable"], found["num_beyond_limits"]) == (3, 1)
    assert found["formats"] == [{"value": "PNG", "count": 4}, {"value": "JPEG", "count": 1}]
    assert found["modes"] == [{"value": "L", "count": 3}, {"value": "RGB", "count": 2}]
    assert found["sizes"][0] == {"value": "28 × 28", "count": 3}
    assert found["num_sizes"] == 3
    assert found["bytes"]["min"] == 8
    assert label["top"][0] == {"value": "a", "count": 4}
    json.dumps(image, allow_nan=False)


def contract_on(kind: str, column: str, **limits: object) -> dict[str, Any]:
    """A contract on the columns as delivered, and on one measure in both parts."""
    columns = {
        "type": "expect_table_columns_to_match_set",
        "kwargs": {"column_set": ["id", "image", "label"], "exact_match": True},
        "severity": "critical",
        "meta": {"notes": "As delivered, without what is measured."},
    }
    entry = {
        "type": kind,
        "kwargs": {"column": column, **limits},
        "severity": "critical",
        "meta": {"notes": "Because of the test."},
    }
    return {
        "delivered": {"name": "delivered", "expectations": [columns, entry]},
        "prepared": {"name": "prepared", "expectations": [entry]},
    }


@pytest.mark.parametrize(
    ("content", "measure", "expectation", "sentence"),
    [
        (b"no image", "decodable", {"value_set": [True]}, "image.decodable: "),
        (WIDE, "width", {"min_value": 28, "max_value": 28}, "image.width: "),
        (WIDE, "decodable", {"value_set": [True]}, "image.decodable: "),
        (encoded(picture(9).convert("RGB")), "mode", {"value_set": ["L"]}, "image.mode: "),
        (png(1), "num_near_duplicates", {"max_value": 0}, "image.num_near_duplicates: "),
    ],
)
def test_a_contract_on_measures_is_broken_by_one_image(
    content: bytes, measure: str, expectation: dict[str, object], sentence: str
) -> None:
    kind = "in_set" if "value_set" in expectation else "between"
    contract = contract_on(f"expect_column_values_to_be_{kind}", f"image.{measure}", **expectation)
    sound = [png(seed) for seed in range(1, 5)]
    assert not compare(rows(sound), contract, COLUMNS, (), "image", "clothes").causes
    found = compare(rows([*sound, content]), contract, COLUMNS, (), "image", "clothes")
    assert found.is_breach
    assert [cause.sentence.startswith(sentence) for cause in found.causes] == [True]


def test_an_image_that_is_gone_or_renamed_is_one_finding_with_its_measures() -> None:
    contract = contract_on("expect_column_values_to_be_in_set", "image.mode", value_set=["L"])
    sound = rows([png(seed) for seed in range(4)])
    (gone,) = compare(sound.drop("image"), contract, COLUMNS, (), "image", "clothes").causes
    assert (gone.kind, gone.columns) == ("missing_column", ("image",))
    found = compare(sound.rename({"image": "Image"}), contract, COLUMNS, (), "image", "clothes")
    (renamed,) = found.causes
    assert (renamed.kind, renamed.columns) == ("renamed_column", ("image", "Image"))
    after = edited(contract, renamed, found)
    assert after is not None
    names, measure = (one["kwargs"] for one in after["delivered"]["expectations"])
    assert names["column_set"] == ["id", "Image", "label"]
    assert measure["column"] == after["prepared"]["expectations"][0]["kwargs"]["column"]
    assert measure["column"] == "Image.mode"


def test_a_contract_on_what_is_not_measured_is_refused_by_name() -> None:
    contract = contract_on("expect_column_values_to_be_in_set", "image.modes", value_set=["L"])
    with pytest.raises(ProjectError, match=r"got 'image\.modes'") as refused:
        compare(rows([png(1)]), contract, COLUMNS, (), "image", "clothes")
    assert "image.mode" in refused.value.hint
