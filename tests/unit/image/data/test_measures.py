"""What the contract and the profile say of images."""

import json

import polars as pl
import pytest
from PIL import Image

from pipeline.image.data import profile
from pipeline.image.data.contract_columns import measured
from pipeline.validate.contract_causes import compare
from tests.images import COLUMNS, bomb, encoded, picture, png, rows

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
    columns = {
        "type": "expect_table_columns_to_match_set",
        "kwargs": {"column_set": ["id", "image", "label"], "exact_match": True},
        "severity": "critical",
        "meta": {"notes": "As delivered, without what is measured."},
    }
    entry = {
        "type": f"expect_column_values_to_be_{kind}",
        "kwargs": {"column": f"image.{measure}", **expectation},
        "severity": "critical",
        "meta": {"notes": "Because of the test."},
    }
    contract = {
        "delivered": {"name": "delivered", "expectations": [columns, entry]},
        "prepared": {"name": "prepared", "expectations": [entry]},
    }
    sound = [png(seed) for seed in range(1, 5)]
    assert not compare(rows(sound), contract, COLUMNS, (), "image", "clothes").causes
    found = compare(rows([*sound, content]), contract, COLUMNS, (), "image", "clothes")
    assert found.is_breach
    assert [cause.sentence.startswith(sentence) for cause in found.causes] == [True]
