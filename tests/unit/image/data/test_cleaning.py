"""Images are cleaned by named rules, each with its count; one row is cleaned as many are."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pipeline.core.cleaning.rules import Cleaning, Rule, for_requests
from pipeline.core.errors import ProjectError
from pipeline.core.settings.sections import section
from pipeline.core.settings.typed_settings import strictly
from pipeline.image.data.cleaning import apply, cleaned, cleaned_scan
from tests.images import COLUMNS, bomb, encoded, picture, png, rows

WIDE = encoded(Image.new("L", (50_000, 2)))


def rule(kind: str, **options: Any) -> Rule:
    content = {"rules": [{"name": kind, "rule": kind, **options}]}
    return strictly(Cleaning, content, {"modality": "image"}).rules[0]


def applied(contents: list[bytes | None], *rules: Rule) -> tuple[pl.DataFrame, list[Any]]:
    table, ledger = apply(rows(contents), rules)
    return table, [(one["rule"], one["cells"], one["rows_dropped"]) for one in ledger]


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_what_cannot_be_decoded_is_dropped_and_counted() -> None:
    contents = [png(1), b"text", None, png(2)[:150], WIDE, bomb(50_000, 50_000), png(3)]
    table, ledger = applied(contents, rule("drop_undecodable"))
    assert table["id"].to_list() == [0, 2, 6]  # a missing image is `drop_missing`'s
    assert ledger == [("drop_undecodable", {}, 4)]


def test_images_of_another_size_are_resized_and_no_other() -> None:
    large = picture(1, (56, 28))
    contents = [png(1), encoded(large), b"text", None, WIDE]
    table, ledger = applied(contents, rule("resize", width=28, height=28))
    assert ledger == [("resize", {"image": 1}, 0)]
    found = table["image"].to_list()
    assert found[0] == png(1)
    assert found[2:] == [b"text", None, WIDE]
    expected = np.asarray(large.resize((28, 28), Image.Resampling.LANCZOS))
    assert (pixels(found[1]) == expected).all()


def test_another_shape_is_padded_or_cropped() -> None:
    white = encoded(Image.new("L", (20, 10), 255))
    padded, _ = applied([white], rule("resize", width=10, height=10, fit="pad"))
    cropped, _ = applied([white], rule("resize", width=10, height=10, fit="crop"))
    assert pixels(padded["image"][0])[:, 5].tolist() == [0] * 2 + [255] * 5 + [0] * 3
    assert (pixels(cropped["image"][0]) == 255).all()


def test_modes_are_converted_and_counted() -> None:
    red = encoded(Image.new("RGB", (2, 2), (255, 0, 0)))
    table, ledger = applied([png(1), red, b"text"], rule("convert_mode", mode="L"))
    assert ledger == [("convert_mode", {"image": 1}, 0)]
    assert table["image"][0] == png(1)
    assert pixels(table["image"][1]).tolist() == [[76, 76], [76, 76]]


def test_of_near_duplicates_the_first_stays() -> None:
    twin = encoded(picture(1).resize((56, 56), Image.Resampling.BICUBIC))
    contents = [png(2), png(1), b"text", twin, None, png(2), png(3)]
    table, ledger = applied(contents, rule("drop_near_duplicates"))
    assert table["id"].to_list() == [0, 1, 2, 4, 6]
    assert ledger == [("drop_near_duplicates", {}, 2)]
    exact, _ = applied([png(2), png(2), png(3)], rule("drop_near_duplicates", max_distance=0))
    assert exact["id"].to_list() == [0, 2]


def test_one_row_is_cleaned_as_many_are_and_slices_as_the_whole() -> None:
    contents = [encoded(picture(seed, (30 + seed, 30)).convert("RGB")) for seed in range(7)]
    rules = (
        rule("drop_undecodable"),
        rule("resize", width=28, height=28),
        rule("convert_mode", mode="L"),
        rule("drop_near_duplicates"),
    )
    whole, ledger = cleaned(rows([*contents, contents[0]]), rules, COLUMNS)
    sliced, same = cleaned_scan(rows([*contents, contents[0]]).lazy(), rules, COLUMNS, 3)
    assert sliced.equals(whole)
    assert same == ledger
    assert [one["rows_dropped"] for one in ledger] == [0, 0, 0, 1]
    asked = for_requests(rules, ("image",))
    assert [one.rule for one in asked] == ["resize", "convert_mode"]
    for number, content in enumerate(contents):
        single, _ = apply(rows([content]).select("image"), asked)
        assert single["image"][0] == whole["image"][number]


def test_a_rule_on_what_is_no_image_is_refused_by_name() -> None:
    with pytest.raises(ProjectError, match=r"'resize' \(resize\): expected images in 'label'"):
        applied([png(1)], rule("resize", width=2, height=2, columns=["label"]))


@pytest.mark.parametrize("kind", ["resize", "drop_undecodable"])
def test_a_rule_for_images_is_refused_in_a_project_of_tables(kind: str) -> None:
    size = {"width": 2, "height": 2} if kind == "resize" else {}
    content = {"rules": [{"name": "x", "rule": kind, **size}]}
    with pytest.raises(ProjectError, match=f"modality tabular, got '{kind}'"):
        section(Path("project.yaml"), {"clean": content}, "clean", Cleaning, "tabular")
