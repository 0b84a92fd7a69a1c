"""Attributions of image networks whose answer is known by hand, and how they are shown."""

import base64
import io

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from pipeline.core.prediction.prediction import Predictor
from pipeline.image.evaluation import explanation, pictures
from pipeline.image.model.architecture import ImageNetwork, architecture, build
from pipeline.image.settings import NetworkSettings
from tests.unit.image.scenes import SIZE, encoder, scenes

ROWS = scenes(8)


class Weighted(nn.Module):
    """Two logits: the pixels weighted, and 0."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, pixels: Tensor) -> Tensor:
        first = (pixels[:, 0] * self.weights).sum(dim=(1, 2))
        return torch.stack([first, torch.zeros_like(first)], dim=1)


def linear() -> tuple[Predictor, NDArray[np.float32]]:
    """A network that always decides for the first class: weights are small, the rest is a shift."""
    weights = torch.zeros(SIZE, SIZE)
    weights[:4, :4], weights[8:, 8:] = 0.5, -0.25
    network = ImageNetwork(SIZE, [0.0], [1.0], Weighted(weights))
    network.mean.fill_(-1000.0)
    return Predictor(encoder(), network.eval()), weights.numpy() / 255


def test_of_a_linear_network_they_are_weight_times_distance_from_the_reference() -> None:
    model, weights = linear()
    found = explanation.attributions(model, ROWS, num_steps=8)
    (pixels,) = encoder().encode(ROWS)
    mean = np.rint(pixels.mean(axis=0))
    assert (found.against[0] == mean).all()
    expected = weights * (pixels[:, 0].astype(float) - mean[0])
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    np.testing.assert_allclose(found.errors, 0, atol=1e-3)
    # Occlusion: what the output loses where the window's pixels become those of the mean image.
    occluded = explanation.occlusion(model, found, 0)
    assert np.abs(occluded[5:7, 5:7]).max() < 1e-4
    assert occluded[2, 2] == pytest.approx(expected[0, 2, 2], abs=1e-4)  # windows of one pixel


def test_of_a_trained_shape_they_add_up_to_the_change_of_the_decided_logit() -> None:
    torch.manual_seed(3)
    plain = architecture(encoder(), NetworkSettings(width=4, num_stages=2), 4)
    model = Predictor(encoder(), build(plain).eval())
    found = explanation.attributions(model, ROWS, num_steps=256)
    with torch.no_grad():
        against = model.network(torch.from_numpy(found.against))[0].numpy()
    decided = found.logits.argmax(axis=1)
    change = found.logits[np.arange(8), decided] - against[decided]
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), change, atol=0.02)
    one = explanation.explained(
        model, encoder().encode(ROWS[:1]), explanation.reference_of(model, ROWS), 256
    )
    np.testing.assert_allclose(one.values[0], found.values[0], atol=1e-4)


def opened(png: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_a_case_is_three_pictures_and_the_parts_of_its_regions() -> None:
    model, _ = linear()
    found = explanation.attributions(model, ROWS, num_steps=8)
    case = explanation.case(model, found, 0, {}, scale=2.0, decimals=4)
    names = [one["name"] for one in case["pictures"]]
    assert names == ["image", "integrated gradients", "occlusion"]
    image, gradients, occlusion = (opened(one["png"]) for one in case["pictures"])
    assert image.shape == (216, 216)  # 12 pixels, each 18 wide
    assert (image[::18, ::18] == found.pixels[0, 0]).all()
    assert gradients.shape == occlusion.shape == (216, 216, 3)
    total = sum(one["attribution"] for one in case["attributions"])
    assert total == pytest.approx(2 * found.values[0].sum(), abs=1e-2)
    assert {one["region"] for one in case["attributions"][:2]} == {"top left", "bottom right"}
    assert case["notes"][0].startswith("The two maps agree by 1.00")


def test_regions_are_ranked_by_their_strength() -> None:
    model, _ = linear()
    found = explanation.ranking(explanation.attributions(model, ROWS, num_steps=8))
    assert {one["region"] for one in found[:2]} == {"top left", "bottom right"}
    assert sum(one["share"] for one in found) == pytest.approx(1, abs=1e-5)
    assert [one["mean_absolute"] for one in found[2:]] == [0] * 7


def test_maps_are_red_for_and_blue_against() -> None:
    values = np.zeros((10, 10))
    values[0, 0], values[9, 9] = 2.0, -2.0
    shown = opened(pictures.mapped(np.full((1, 10, 10), 255, np.uint8), values))
    assert tuple(shown[0, 0]) == pictures.RED
    assert tuple(shown[-1, -1]) == pictures.BLUE
    assert (shown[100, 100] == 255).all()
    nothing = opened(pictures.mapped(np.zeros((1, 10, 10), np.uint8), np.zeros((10, 10))))
    assert len(np.unique(nothing)) == 1


def test_maps_that_say_nothing_are_not_compared() -> None:
    flat, some = np.zeros((12, 12)), np.eye(12)
    assert explanation.agreement(flat, some) is None
    assert explanation.agreement(some, some) == pytest.approx(1)
    assert explanation.agreement(some, -some) == pytest.approx(-1)


def test_a_reference_is_the_same_after_it_was_written() -> None:
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (channels, 7, 7), dtype=np.uint8)
        np.testing.assert_array_equal(pictures.from_base64(pictures.as_base64(pixels)), pixels)
