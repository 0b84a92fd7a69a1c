"""Slices by what images look like, and the cheap model beside the network."""

import numpy as np
import polars as pl
import pytest

from pipeline.core.metrics.slices import accuracy, mean_absolute_error
from pipeline.core.prediction import outcome
from pipeline.image.evaluation import baseline
from pipeline.image.evaluation.slices import measures, slices_of
from tests.unit.image.scenes import COLUMNS, encoder, png, scenes


def test_what_is_measured_of_an_image_by_hand() -> None:
    pixels = np.zeros((10, 10), np.uint8)
    pixels[4:6, 4:9] = 255  # ten of a hundred
    found = measures(pl.Series([png(pixels), png(255 - pixels), None, b"none"]))
    assert found["brightness"].to_list() == [0.1, 0.9, None, None]
    assert found["contrast"].to_list()[:2] == [0.3, 0.3]  # sqrt(0.1 · 0.9)
    assert found["ink"].to_list()[:2] == [0.1, 0.1]  # whether the ground is black or white
    assert found["size"].to_list()[:2] == [100, 100]


def test_accuracy_by_quartile_of_brightness() -> None:
    pictures = [png(np.full((10, 10), 10 * i, np.uint8)) for i in range(20)]
    table = pl.DataFrame({"photo": pictures})
    found = accuracy(slices_of(table, COLUMNS), pl.Series([i >= 6 for i in range(20)]), min_rows=2)
    assert {one["column"] for one in found} == {"brightness"}  # nothing else tells them apart
    assert sorted(one["num_rows"] for one in found) == [4, 5, 5, 6]
    assert found[0]["accuracy"] == 0
    assert found[0]["slice"].startswith("(-∞, ")
    assert [one["accuracy"] for one in found[1:]] == [1, 1, 1]
    worst = mean_absolute_error(slices_of(table, COLUMNS), pl.Series(np.arange(20.0)), min_rows=2)
    assert worst[0]["mean_absolute_error"] == 17
    assert worst[0]["slice"].endswith("∞]")


def test_images_of_several_sizes_are_told_apart_by_them() -> None:
    table = pl.DataFrame({"photo": [png(np.zeros((s, s), np.uint8)) for s in (10, 10, 20, 30)]})
    found = accuracy(slices_of(table, COLUMNS), pl.Series([True] * 4), min_rows=1)
    assert {one["column"] for one in found} == {"size"}


def test_pooled_pixels_are_means_of_blocks() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 2, 28, 28), dtype=np.uint8)
    expected = pixels.reshape(3, 2, 14, 2, 14, 2).mean(axis=(3, 5)) / 255
    np.testing.assert_allclose(baseline.pooled(pixels), expected)
    assert baseline.pooled(pixels[..., :10, :10]).shape == (3, 2, 10, 10)


def test_the_baseline_learns_the_classes_and_gives_the_same_numbers_again() -> None:
    table = scenes(80)
    predicted = outcome.fit(table, COLUMNS)
    train, test = table[:60], table[60:]
    (found,) = baseline.logits(train, [test], COLUMNS, encoder(), 0, predicted)
    assert found.shape == (20, 4)
    assert (found.argmax(axis=1) == predicted.truth(test, COLUMNS)).all()
    (again,) = baseline.logits(train, [test], COLUMNS, encoder(), 0, predicted)
    np.testing.assert_array_equal(found, again)


def test_two_classes_and_a_number() -> None:
    table = scenes(60).with_columns(wide=pl.Series([float(i % 4 == 1) for i in range(60)]))
    binary = COLUMNS.model_copy(update={"task": "binary", "positive": "east"})
    (found,) = baseline.logits(table, [table], binary, encoder(), 0)
    assert ((found > 0) == (table["side"] == "east").to_numpy()).all()
    of_number = COLUMNS.model_copy(update={"task": "regression", "target": "wide"})
    predicted = outcome.fit(table, of_number)
    (numbers,) = baseline.logits(table, [table], of_number, encoder(), 0, predicted)
    expected = predicted.encoded(table, of_number)
    assert np.corrcoef(numbers, expected)[0, 1] == pytest.approx(1, abs=0.05)
