"""The image networks: the reference to the letter, the modern one, several in one."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.core.prediction.prediction import Predictor
from pipeline.image.model.architecture import architecture, build, mixed
from pipeline.image.model.encoding import Encoder
from pipeline.image.settings import NetworkSettings
from tests.unit.image.scenes import encoder, scenes

GREY = Encoder("photo", 28, 1, [0.25], [0.5])


def described(of: Encoder, num_outputs: int = 10, **settings: Any) -> dict[str, Any]:
    return architecture(of, NetworkSettings(**settings), num_outputs)


def num_parameters(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def pixels(rows: int, size: int = 28, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (rows, channels, size, size), generator=generator).to(torch.uint8)


def test_the_reference_network_is_that_of_the_tutorials() -> None:
    plain = nn.Sequential(
        nn.Conv2d(1, 32, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(5 * 5 * 64, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    network = build(described(GREY, architecture="reference"))
    # 32·9 + 32, 64·32·9 + 64, 1600·128 + 128, 128·10 + 10
    assert num_parameters(network) == num_parameters(plain) == 320 + 18_496 + 204_928 + 1_290
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        assert ours.shape == theirs.shape
        with torch.no_grad():
            ours.copy_(theirs)
    images = pixels(5)
    expected = plain((images.double() / 255 - 0.25).div(0.5).float())
    torch.testing.assert_close(network(images), expected, atol=1e-5, rtol=1e-5)


def test_a_reference_network_takes_one_output_and_colour_of_another_size() -> None:
    colour = Encoder("photo", 20, 3, [0.1, 0.2, 0.3], [1.0, 1.0, 1.0])
    network = build(described(colour, 1, architecture="reference"))
    assert network(pixels(4, 20, 3)).shape == (4,)


@pytest.mark.parametrize("size", [10, 13, 28, 32])
def test_the_modern_network_takes_every_size(size: int) -> None:
    of = Encoder("photo", size, 3, [0.5] * 3, [0.5] * 3)
    network = build(described(of, 7, width=4, num_stages=3, num_blocks=2, dropout=0.1))
    assert network(pixels(2, size, 3)).shape == (2, 7)


def test_the_modern_network_is_the_default_and_smaller() -> None:
    modern, reference = build(described(GREY)), build(described(GREY, architecture="reference"))
    assert num_parameters(modern) < num_parameters(reference)


def test_an_ensemble_says_the_mean_of_the_probabilities() -> None:
    torch.manual_seed(0)
    plain = described(GREY, 1, width=4, num_stages=1)
    both = build(mixed(plain, (0.25, 0.75))).eval()
    assert mixed(plain, ()) == plain
    images = pixels(6)
    with torch.no_grad():
        first, second = (torch.sigmoid(one(images)) for one in both.members)  # type: ignore[operator,union-attr]
        found = torch.sigmoid(both(images))
    torch.testing.assert_close(found, 0.25 * first + 0.75 * second)
    with pytest.raises(ValueError, match="with the sum 1"):
        build(mixed(plain, (0.5, 0.6)))


def test_larger_images_go_through_in_smaller_portions() -> None:
    sizes = [build(described(Encoder("photo", size, 1, [0.5], [0.5]))) for size in (28, 56, 512)]
    assert [network.rows_at_once for network in sizes] == [512, 128, 1]


def test_every_gradient_of_both_networks_has_a_deterministic_algorithm() -> None:
    """On a GPU torch refuses others, and this one of the usual layers has none."""
    for kind in ("modern", "reference"):
        layers = build(described(GREY, architecture=kind)).modules()
        assert not any(isinstance(one, nn.AdaptiveAvgPool2d) for one in layers)


def test_rows_are_predicted_in_portions_that_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many rows, no more than `rows_at_once` are in the network at a time."""
    torch.manual_seed(0)
    network = build(described(encoder(), 4, width=4, num_stages=1)).eval()
    model, table = Predictor(encoder(), network), scenes(9)
    whole = model.logits_of(encoder().encode(table))
    sizes: list[int] = []
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(network, "rows_at_once", 4)
    np.testing.assert_allclose(model.logits_of(encoder().encode(table)), whole, atol=1e-6)
    assert sizes == [4, 4, 1]
