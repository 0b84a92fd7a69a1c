"""Changes of training images that leave their class as it is: each batch sees others.

Random numbers come from torch's global generator of the CPU, which the loop seeds, so that a
training draws the same ones on every device.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from pipeline.image.model.encoding import Encoder
from pipeline.image.settings import AugmentationSettings

ERASED_AREA = (0.02, 0.2)
ERASED_SHAPE = (0.3, 1 / 0.3)
"""Height to width."""

Batch = tuple[Tensor, ...]


def augmenter(settings: AugmentationSettings, encoder: Encoder) -> Callable[[Batch], Batch] | None:
    """What changes a batch, (rows, channels, size, size) of whole numbers; None where nothing
    does."""
    steps: list[Callable[[Tensor], Tensor]] = []
    if settings.flip:
        steps.append(partial(flipped, probability=settings.flip))
    if settings.shift:
        steps.append(partial(shifted, most=settings.shift))
    if settings.rotation:
        steps.append(partial(rotated, most=settings.rotation))
    if settings.erasing:
        fill = torch.tensor(encoder.mean).mul(255).round().to(torch.uint8)
        steps.append(partial(erased, probability=settings.erasing, fill=fill))

    def change(batch: Batch) -> Batch:
        pixels = batch[0]
        for step in steps:
            pixels = step(pixels)
        return (pixels, *batch[1:])

    return change if steps else None


def flipped(pixels: Tensor, probability: float) -> Tensor:
    """Some images mirrored, left to right."""
    chosen = (torch.rand(len(pixels)) < probability).to(pixels.device)
    return torch.where(chosen[:, None, None, None], pixels.flip(3), pixels)


def shifted(pixels: Tensor, most: int) -> Tensor:
    """Each image moved by whole pixels; what gets free is filled with its edge."""
    num_rows, channels, height, width = pixels.shape
    move = torch.randint(-most, most + 1, (2, num_rows, 1)).to(pixels.device)
    rows = (torch.arange(height, device=pixels.device) + move[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=pixels.device) + move[1]).clamp(0, width - 1)
    image = torch.arange(num_rows, device=pixels.device)[:, None, None, None]
    channel = torch.arange(channels, device=pixels.device)[:, None, None]
    return pixels[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def rotated(pixels: Tensor, most: float) -> Tensor:
    """Each image turned about its middle, by bilinear interpolation; its edge fills the corners."""
    angle = (torch.rand(len(pixels)) * 2 - 1) * math.radians(most)
    nothing = torch.zeros_like(angle)
    turns = torch.stack(
        [angle.cos(), -angle.sin(), nothing, angle.sin(), angle.cos(), nothing], dim=1
    ).view(-1, 2, 3)
    grid = torch.nn.functional.affine_grid(turns, list(pixels.shape), align_corners=False)
    turned = torch.nn.functional.grid_sample(
        pixels.float(), grid.to(pixels.device), padding_mode="border", align_corners=False
    )
    return turned.round().to(pixels.dtype)


def erased(pixels: Tensor, probability: float, fill: Tensor) -> Tensor:
    """A rectangle of some images replaced by the mean pixel.

    Source: Z. Zhong et al., Random erasing data augmentation, AAAI 2020.
    """
    num_rows, _, height, width = pixels.shape
    draws = torch.rand(5, num_rows)
    area = (ERASED_AREA[0] + draws[1] * (ERASED_AREA[1] - ERASED_AREA[0])) * height * width
    low, high = (math.log(one) for one in ERASED_SHAPE)
    shape = (low + draws[2] * (high - low)).exp()
    tall, wide = (area * shape).sqrt(), (area / shape).sqrt()
    inside = [
        (torch.arange(side) >= start[:, None]) & (torch.arange(side) < (start + length)[:, None])
        for side, length, draw in ((height, tall, draws[3]), (width, wide, draws[4]))
        for start in [draw * (side - length).clamp(min=0)]
    ]
    hidden = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    hidden &= (draws[0] < probability)[:, None, None, None]
    return torch.where(hidden.to(pixels.device), fill.to(pixels.device)[:, None, None], pixels)
