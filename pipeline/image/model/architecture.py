"""The image networks: the one of the field's tutorials, to the letter, and a modern small one.

Both take pixels from 0 to 255, of whole numbers or not, and standardise them first.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.core.prediction.ensemble import Ensemble
from pipeline.image.model.encoding import Encoder
from pipeline.image.settings import NetworkSettings

PIXELS_AT_ONCE = 512 * 28 * 28
"""Of one channel, in a pass without gradients: so its memory stays the same for larger images."""


class ImageNetwork(nn.Module):
    """From pixels to one output each, or to one per class.

    Args:
        size: Height and width of the images.
        mean: Of each channel's training pixels, from 0 to 1.
        deviation: Of each channel's training pixels, likewise.
        layers: From standardised pixels to outputs, shape (rows, outputs).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, size: int, mean: list[float], deviation: list[float], layers: nn.Module
    ) -> None:
        super().__init__()
        self.rows_at_once = max(PIXELS_AT_ONCE // size**2, 1)
        shape = (1, len(mean), 1, 1)
        self.register_buffer("mean", torch.tensor(mean).view(shape) * 255, persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(deviation).view(shape) * 255, persistent=False
        )
        self.layers = layers

    def forward(self, pixels: Tensor) -> Tensor:
        """Outputs, shape (rows,), or (rows, classes) of several, from (rows, channels, size, size)
        pixels."""
        outputs: Tensor = self.layers((pixels.float() - self.mean) / self.deviation)
        return outputs.squeeze(1)  # which leaves the logits of several classes as they are


def reference(channels: int, size: int, num_outputs: int) -> nn.Sequential:
    """Conv 32 3×3 relu, max-pool 2, conv 64 3×3 relu, max-pool 2, dense 128 relu, dense."""
    side = ((size - 2) // 2 - 2) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * side * side, 128),
        nn.ReLU(),
        nn.Linear(128, num_outputs),
    )


class Residual(nn.Module):
    """Two 3×3 convolutions with batch norm, added to what came in.

    Source: K. He et al., Deep residual learning for image recognition, CVPR 2016; where a block
    makes the image smaller, its shortcut averages before it projects (T. He et al., Bag of tricks
    for image classification with convolutional neural networks, CVPR 2019).
    """

    def __init__(self, incoming: int, outgoing: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(incoming, outgoing, stride)
        self.second = convolution(outgoing, outgoing)
        shortcut: list[nn.Module] = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
        if incoming != outgoing:
            shortcut += [nn.Conv2d(incoming, outgoing, 1, bias=False), nn.BatchNorm2d(outgoing)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, features: Tensor) -> Tensor:
        changed = self.second(nn.functional.relu(self.first(features)))
        return nn.functional.relu(changed + self.shortcut(features))


class Mean(nn.Module):
    """The mean over places; torch's layer for it has no deterministic gradient on a GPU."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3))


def convolution(incoming: int, outgoing: int, stride: int = 1) -> nn.Sequential:
    """A 3×3 convolution and batch norm."""
    kernel = nn.Conv2d(incoming, outgoing, 3, stride, padding=1, bias=False)
    return nn.Sequential(kernel, nn.BatchNorm2d(outgoing))


def modern(
    channels: int,
    num_outputs: int,
    width: int,
    num_stages: int,
    num_blocks: int,
    dropout: float,
) -> nn.Sequential:
    """A convolution of half the size, stages of residual blocks, the mean over places, a dense
    layer."""
    layers: list[nn.Module] = [convolution(channels, width, stride=2), nn.ReLU()]
    incoming = width
    for stage in range(num_stages):
        outgoing = width * 2**stage
        for block in range(num_blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(Residual(incoming, outgoing, stride))
            incoming = outgoing
    return nn.Sequential(*layers, Mean(), nn.Dropout(dropout), nn.Linear(incoming, num_outputs))


def architecture(
    encoder: Encoder, settings: NetworkSettings, num_outputs: int = 1
) -> dict[str, Any]:
    """What `build` needs, as plain data: the content of `model.json`."""
    plain = {**encoder.architecture(), "architecture": settings.architecture}
    if settings.architecture == "modern":
        plain |= settings.model_dump(mode="json")
    return plain if num_outputs == 1 else {**plain, "num_outputs": num_outputs}


def mixed(architecture: dict[str, Any], mixture: tuple[float, ...]) -> dict[str, Any]:
    """The architecture of an ensemble of such networks; of one network where nothing is mixed."""
    return {**architecture, "mixture": list(mixture)} if mixture else architecture


def build(architecture: dict[str, Any]) -> ImageNetwork | Ensemble:
    """The network, or the ensemble, that `model.json` describes, with fresh weights."""
    single = {name: value for name, value in architecture.items() if name != "mixture"}
    if "mixture" not in architecture:
        return network(**single)
    mixture = architecture["mixture"]
    return Ensemble([network(**single) for _ in mixture], mixture)


def network(
    architecture: str,
    size: int,
    mean: list[float],
    deviation: list[float],
    num_outputs: int = 1,
    **of_modern: Any,
) -> ImageNetwork:
    """One network, with fresh weights."""
    channels = len(mean)
    if architecture == "reference":
        return ImageNetwork(size, mean, deviation, reference(channels, size, num_outputs))
    return ImageNetwork(size, mean, deviation, modern(channels, num_outputs, **of_modern))
