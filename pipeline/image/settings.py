"""What a project may set of the image encoder and networks. Light: checked first of all."""

from typing import Literal

from pydantic import Field

from pipeline.core.settings.typed_settings import Frozen


class EncoderSettings(Frozen):
    size: int = Field(28, ge=10, le=512, json_schema_extra={"unit": "pixels"})
    """Height and width that every image is brought to; those that have it stay as they are."""
    channels: Literal[1, 3] = 1
    """1 for grey, 3 for colour; other images are converted."""


class NetworkSettings(Frozen):
    architecture: Literal["modern", "reference"] = "modern"
    """`reference` is the convolutional network of the field's tutorials, to the letter; the other
    keys are those of `modern`."""
    width: int = Field(16, ge=4, le=512, json_schema_extra={"unit": "channels"})
    """Channels of the first stage; each later stage has twice as many."""
    num_stages: int = Field(3, ge=1, le=4)
    """Stages of residual blocks, each of half the size of the one before."""
    num_blocks: int = Field(1, ge=1, le=8)
    """Residual blocks of a stage."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the last features dropped while training."""


class AugmentationSettings(Frozen):
    flip: float = Field(0.0, ge=0, le=1)
    """Probability that a training image is mirrored, left to right."""
    shift: int = Field(0, ge=0, le=64, json_schema_extra={"unit": "pixels"})
    """The most that it is moved, up or down and left or right; its edge fills what gets free."""
    rotation: float = Field(0.0, ge=0, le=45, json_schema_extra={"unit": "degrees"})
    """The most that it is turned, to either side."""
    erasing: float = Field(0.0, ge=0, le=1)
    """Probability that a rectangle of it, 2 to 20% of its area, becomes the mean pixel."""


class SyntheticSettings(Frozen):
    """Images are not made: a project of images has no key here."""
