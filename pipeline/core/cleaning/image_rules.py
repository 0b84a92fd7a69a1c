"""Cleaning rules for images as typed settings; `pipeline/image/data/cleaning.py` applies them."""

from typing import Literal

from pydantic import Field

from pipeline.core.cleaning.named_rule import Named


class OfImages(Named):
    columns: tuple[str, ...] = ()
    """Which columns of images; none named means all of them."""


class DropUndecodable(OfImages):
    """Drop rows whose image is no PNG or JPEG, is damaged, or is larger than is ever decoded."""

    of_requests = False
    rule: Literal["drop_undecodable"]


class Resize(OfImages):
    """Give images one size; before `convert_mode`, so that only small ones are converted."""

    rule: Literal["resize"]
    width: int = Field(ge=1, le=4096, json_schema_extra={"unit": "pixels"})
    """The width that each gets, in pixels."""
    height: int = Field(ge=1, le=4096, json_schema_extra={"unit": "pixels"})
    """The height that each gets, in pixels."""
    fit: Literal["stretch", "pad", "crop"] = "stretch"
    """What becomes of another shape: it is stretched, gets black borders, or loses its edges."""


class ConvertMode(OfImages):
    """Give images the same channels, 8 bits each; what is transparent lies on white."""

    rule: Literal["convert_mode"]
    mode: Literal["L", "RGB"]
    """`L` is grey, one channel; `RGB` is colour, three."""


class DropNearDuplicates(OfImages):
    """Keep the first of the rows whose images look alike: whose perceptual hashes, 256 bits each,
    differ in at most `max_distance` bits. Exact copies have a distance of 0."""

    compares_rows = True
    of_requests = False
    rule: Literal["drop_near_duplicates"]
    max_distance: int = Field(16, ge=0, le=64, json_schema_extra={"unit": "bits"})
    """The most bits of 256 in which near-duplicates differ; the further beyond 16, the more
    pictures that only resemble each other are dropped."""


ImageRule = DropUndecodable | Resize | ConvertMode | DropNearDuplicates
