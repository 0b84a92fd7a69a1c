"""The image encoder: pixels as PIL has them, sums by hand, what is refused."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pipeline.core.errors import PipelineError
from pipeline.image.model.encoding import Encoder, fit, gaps
from pipeline.image.settings import EncoderSettings
from tests.unit.image.scenes import COLUMNS, SIZE, encoder, png, scene, scenes


def test_pixels_are_those_of_the_pictures() -> None:
    (found,) = encoder().encode(scenes(4))
    assert found.dtype == np.uint8
    assert found.shape == (4, 1, SIZE, SIZE)
    for i, side in enumerate(("north", "east", "south", "west")):
        np.testing.assert_array_equal(found[i, 0], scene(side, i))


def test_another_size_and_mode_is_brought_to_the_encoders() -> None:
    colour = np.zeros((24, 30, 3), np.uint8)
    colour[..., 0] = 200
    table = pl.DataFrame({"photo": [png(colour)]})
    (found,) = encoder(10, 3).encode(table)
    assert found.shape == (1, 3, 10, 10)
    assert (found[0, 0] == 200).all()
    assert not found[0, 1:].any()
    (grey,) = encoder(10, 1).encode(table)
    assert (grey == np.asarray(Image.fromarray(colour).convert("L"))[0, 0]).all()


def test_mean_and_deviation_are_those_of_all_training_pixels() -> None:
    table = scenes(8)
    pixels = np.stack([scene(side, i) for i, side in enumerate(table["side"])]) / 255
    found = fit(table, COLUMNS, EncoderSettings(size=SIZE))
    assert found.mean == pytest.approx([pixels.mean()])
    assert found.deviation == pytest.approx([pixels.std()])
    assert Encoder.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert gaps(table, found) == []


def test_pixels_that_are_all_the_same_are_divided_by_one() -> None:
    table = pl.DataFrame({"photo": [png(np.full((SIZE, SIZE), 51, np.uint8))]})
    found = fit(table, COLUMNS, EncoderSettings(size=SIZE))
    assert (found.mean, found.deviation) == (pytest.approx([0.2]), [1.0])


@pytest.mark.parametrize(("content", "words"), [(None, "missing"), (b"no image", "damaged")])
def test_a_row_without_a_picture_is_refused(content: bytes | None, words: str) -> None:
    table = pl.DataFrame({"photo": pl.Series([content], dtype=pl.Binary)})
    with pytest.raises(PipelineError, match=f"photo: expected an image .*{words}"):
        encoder().encode(table)
