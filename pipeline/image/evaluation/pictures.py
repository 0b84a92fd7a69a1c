"""Images and maps of attributions as PNG in base64, large enough to be looked at."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.image.model.encoding import Pixels

SIDE = 224
"""Smaller images are enlarged by a whole factor, up to this."""
RED, BLUE = (208, 59, 46), (42, 111, 201)
"""Of what speaks for the output, and against it."""
FAINT = 0.35
"""What is left of the image's contrast below a map."""
STRONGEST = 99.5
"""Percentile of a map's strength that gets the full colour."""


def shown(pixels: Pixels) -> str:
    """An image, (channels, size, size), enlarged."""
    return as_base64(enlarged(pixels))


def mapped(pixels: Pixels, values: NDArray[Any]) -> str:
    """A map of attributions, (size, size), over its faint image: red for, blue against."""
    grey = pixels.mean(axis=0)[None]
    ground = np.repeat(255 - (255 - grey) * FAINT, 3, axis=0)
    strength = np.abs(values)
    full = float(np.percentile(strength, STRONGEST)) or float(strength.max()) or 1.0
    part = np.clip(strength / full, 0, 1)
    colour = np.where(values >= 0, _as_colour(RED), _as_colour(BLUE))
    mixed = np.rint(ground * (1 - part) + colour * part).astype(np.uint8)
    return as_base64(enlarged(mixed))


def enlarged(pixels: Pixels) -> Pixels:
    """Every pixel as a square of pixels."""
    factor = max(SIDE // pixels.shape[1], 1)
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)


def as_base64(pixels: Pixels) -> str:
    """Pixels, (channels, height, width), as a PNG in base64."""
    from PIL import Image

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy())
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return base64.b64encode(target.getvalue()).decode()


def from_base64(text: str) -> Pixels:
    """What `as_base64` wrote."""
    from PIL import Image

    values = np.array(Image.open(io.BytesIO(base64.b64decode(text))), dtype=np.uint8)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def _as_colour(colour: tuple[int, int, int]) -> NDArray[np.float64]:
    return np.array(colour, dtype=float)[:, None, None]
