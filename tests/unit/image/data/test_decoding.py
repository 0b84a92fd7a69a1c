"""An image is decoded within limits, as a viewer shows it, or not at all."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from pipeline.image.data.decoding import as_png, converted, decoded, opened
from tests.images import bomb, chunk, encoded, picture, png


def test_pixels_are_those_that_pillow_reads() -> None:
    image = decoded(png(1))
    assert image is not None
    assert (np.asarray(image) == np.asarray(picture(1))).all()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        encoded(picture(1), "GIF"),
        png(1)[:200],
        encoded(picture(1, (300, 300)), "JPEG")[:2000],
        png(1).replace(b"IDAT", b"IDAX"),
    ],
    ids=["empty", "text", "GIF", "half a PNG", "half a JPEG", "no data"],
)
def test_what_is_no_whole_png_or_jpeg_is_not_decoded(content: bytes) -> None:
    assert decoded(content) is None


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (bomb(50_000, 50_000), (50_000, 50_000)),
        (encoded(Image.new("L", (50_000, 2))), (50_000, 2)),  # few pixels, but no picture
        (bomb(9_000, 9_000), (9_000, 9_000)),
    ],
    ids=["both sides", "width", "pixels"],
)
def test_what_is_beyond_the_limits_is_measured_and_never_decoded(
    content: bytes, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    found = opened(content)
    assert found is not None
    header, _ = found
    assert (header.width, header.height) == size
    assert not header.is_within_limits
    assert decoded(content) is None


INFLATED = zlib.compress(bytes(1_000_000))


@pytest.mark.parametrize(
    "chunks",
    [
        chunk(b"iCCP", b"a\0\0" + INFLATED) * 500,
        chunk(b"zTXt", b"a\0\0" + INFLATED) * 500,
        chunk(b"iTXt", b"a\0\1\0\0\0" + INFLATED) * 500,
        chunk(b"tEXt", b"a\0b") * 50_000,
        png(1)[8:33].replace(b"\0\0\0\x08", b"\0\1\0\x08"),
        chunk(b"acTL", struct.pack(">II", 1, 0)),
        chunk(b"IDAT", b"") * 5_000,
    ],
    ids=[
        "profiles",
        "texts",
        "unicode",
        "crowd",
        "another header",
        "one frame",
        "pixels in many pieces",
    ],
)
def test_of_a_png_the_picture_alone_is_read(chunks: bytes) -> None:
    plain = png(1)
    found, expected = opened(plain[:33] + chunks + plain[33:]), opened(plain)
    assert found is not None
    assert expected is not None
    assert found[0] == expected[0]
    assert found[1].info == expected[1].info
    assert found[1].tobytes() == expected[1].tobytes()


def test_what_follows_the_end_of_a_png_is_of_no_matter() -> None:
    assert decoded(png(1) + bytes(50_000)) is not None


def test_a_photograph_is_turned_as_its_camera_was_held() -> None:
    image = Image.new("RGB", (40, 20))
    image.paste((255, 0, 0), (0, 0, 20, 20))  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: a quarter clockwise shows it upright
    content = encoded(image, "JPEG", exif=exif)
    found, turned = opened(content), decoded(content)
    assert found is not None
    assert (found[0].width, found[0].height) == (20, 40)
    assert turned is not None
    assert turned.size == (20, 40)
    pixels = np.asarray(turned).astype(int)
    assert pixels[5, 10, 0] > 200  # red on top
    assert pixels[35, 10, 0] < 50


def test_channels_become_one_or_three_of_eight_bits() -> None:
    assert np.asarray(converted(Image.new("RGB", (1, 1), (255, 0, 0)), "L")).item() == 76  # 0.299
    assert np.asarray(converted(Image.new("L", (1, 1), 7), "RGB")).tolist() == [[[7, 7, 7]]]
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 51))  # a fifth of black on white
    assert np.asarray(converted(half, "RGB")).tolist() == [[[204, 204, 204]]]
    deep = Image.fromarray(np.array([[0, 255, 256, 65_535]], dtype=np.uint16))
    assert np.asarray(converted(deep, "L")).tolist() == [[0, 0, 1, 255]]
    palette = Image.new("RGB", (1, 1), (1, 2, 3)).quantize()
    assert np.asarray(converted(palette, "RGB")).tolist() == [[[1, 2, 3]]]


def test_the_same_pixels_are_the_same_bytes() -> None:
    assert as_png(picture(3)) == as_png(picture(3))
    image = decoded(as_png(picture(3)))
    assert image is not None
    assert (np.asarray(image) == np.asarray(picture(3))).all()
