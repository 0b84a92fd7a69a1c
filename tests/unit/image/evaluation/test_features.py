"""What the audit knows of images: pixels made few, measures by name, and which are the same."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pipeline.audit import stage as audit
from pipeline.core.errors import ProjectError
from pipeline.image.evaluation import features
from pipeline.image.evaluation.slices import measures
from tests.images import COLUMNS, encoded, picture, png, rows


def test_pixels_are_means_of_their_parts() -> None:
    image = np.zeros((16, 16), dtype=np.uint8)
    image[:2, :2] = [[0, 100], [100, 200]]  # the first of 8 × 8 parts
    found, categories = features.matrix(rows([encoded(Image.fromarray(image)), b"text"]), COLUMNS)
    assert found.shape == (2, 64)
    assert found[0].tolist() == [100.0] + [0.0] * 63
    assert np.isnan(found[1]).all()
    assert not categories.any()
    colour, _ = features.matrix(
        rows([png(1), encoded(Image.new("RGB", (9, 9), (9, 0, 5)))]), COLUMNS
    )
    assert colour[1].tolist() == [9.0, 0.0, 5.0] * 64


def test_an_image_is_told_apart_by_what_is_measured_of_it() -> None:
    table = rows([encoded(Image.new("L", (10, 10), shade)) for shade in range(0, 200, 10)])
    (brightness,) = features.described(table, "image")  # nothing else differs
    assert brightness.name == "image.brightness"
    assert brightness.n_unique() == 4
    codes = features.coded(table, "image", COLUMNS)
    assert set(codes) == {f"image.{name}" for name in measures(table["image"]).columns}
    assert (np.diff(codes["image.brightness"]) >= 0).all()
    assert [one.to_list() for one in features.described(table, "label")] == [["a", "b"] * 10]


def test_near_duplicates_are_the_same() -> None:
    twin = encoded(picture(1).resize((56, 56), Image.Resampling.BICUBIC))
    found = features.identical(rows([png(1), png(2), twin, b"text"]), COLUMNS, ())
    assert found[0] == found[2]
    assert len(set(found.tolist())) == 3


def test_the_audit_finds_labels_that_images_speak_against_and_what_tells_classes() -> None:
    """Dark pictures are `a`, light ones `b`; four labels were turned round."""
    rng = np.random.default_rng(0)
    shades = np.where(np.arange(400) % 2 == 0, 60, 180) + rng.integers(-20, 20, 400)
    noise = rng.integers(0, 30, (400, 10, 10))
    images = [Image.fromarray((s + n).astype(np.uint8)) for s, n in zip(shades, noise, strict=True)]
    table = rows([encoded(image) for image in images])
    turned = pl.int_range(pl.len()) < 4
    wrong = pl.when(turned).then(pl.col("label").replace({"a": "b", "b": "a"})).otherwise("label")
    settings = audit.Settings(min_slice_rows=50)
    found = audit.audited(table.with_columns(wrong.alias("label")), COLUMNS, settings, features)
    assert found["label_noise"]["num_suspects"] == 4
    (labels,) = found["slices"]
    best = labels["found"][0]
    assert list(best["slice"]) == ["image.brightness"]
    assert best["rate"] > 0.9


def test_nothing_is_compared_within_an_image() -> None:
    with pytest.raises(ProjectError, match=r"audit\.given: .* got the image 'image'"):
        features.levels(rows([png(1)]), "image")
