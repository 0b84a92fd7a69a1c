"""A service of images: PNG and JPEG in base64 are answered, and all that is none is refused."""

import base64
import io
import logging
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from pipeline.core.prediction import prediction
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.typed_settings import strictly
from pipeline.image.data import decoding, png
from pipeline.image.serving.bad_values import bad_values
from pipeline.image.serving.bad_values import png as black
from pipeline.rehearse.bad_requests import bad_requests
from pipeline.rehearse.replay import answer_to, as_requests
from pipeline.service.app import App
from tests.bento_inputs import expectation
from tests.images import chunk
from tests.media_models import read, service
from tests.unit.image.scenes import PLACES, SIZE, scene, scenes

COLUMNS = {"target": "side", "task": "multiclass", "image": "photo", "sensitive": []}
LIMITS = {"max_image_bytes": 60_000, "max_image_pixels": 4096, "max_image_side": 512}
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    size = {"min_value": SIZE, "max_value": SIZE}
    between, in_set = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
    expectations = [
        expectation(between, column="photo.width", **size),
        expectation(between, column="photo.height", **size),
        expectation(in_set, column="photo.mode", value_set=["L"]),
        expectation(in_set, "warning", column="photo.format", value_set=["PNG"]),
        expectation(between, column="photo.num_near_duplicates", min_value=0, max_value=0),
    ]
    return service(
        tmp_path_factory.mktemp("images"),
        "image",
        scenes(8),
        COLUMNS,
        expectations,
        [],
        {"encoder": {"size": SIZE}, "network": {"width": 4, "num_stages": 1}},
        {**LIMITS, "max_rows": 20, "max_body_bytes": 200_000},
    )


@pytest.fixture(scope="module")
def client(home: Path) -> TestClient:
    app = App()
    app.start(home / "bento/src", "7", registry=CollectorRegistry(), freeze=False)
    return TestClient(app)  # type: ignore[arg-type]


def written(content: bytes) -> str:
    return base64.b64encode(content).decode()


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def picture(side: str = "north", seed: int = 0) -> Image.Image:
    return Image.fromarray(scene(side, seed))


GOOD = file_of(picture())


def refusal(client: TestClient, content: Any) -> dict[str, Any]:
    """The one finding of a refused image, which does not repeat what was sent."""
    value = written(content) if isinstance(content, bytes) else content
    for path in ("/predict", "/explain"):
        answer = client.post(path, json={"photo": value})
        assert answer.status_code == 422, answer.text
        (finding,) = answer.json()["findings"]
        assert finding["field"] == "photo"
        assert not (isinstance(value, str) and len(value) > 20 and value[:20] in answer.text)
    return dict(finding)


def test_probabilities_are_those_of_the_network(client: TestClient, home: Path) -> None:
    """The oracle: Pillow's pixels through the network, softmax by torch."""
    pictures = [picture(side, seed) for seed, side in enumerate(PLACES)]
    rows = [{"photo": written(file_of(one))} for one in pictures]
    found = client.post("/predict", json=rows).json()["predictions"]
    network = prediction.load(home / "bento/src/model", "image").network
    pixels = torch.from_numpy(np.stack([np.asarray(one) for one in pictures])[:, None])
    with torch.no_grad():
        expected = network(pixels).softmax(dim=1).numpy()
    probabilities = [list(one["probabilities"].values()) for one in found]
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert [one["label"] for one in found] == [sorted(PLACES)[i] for i in expected.argmax(axis=1)]
    single = [client.post("/predict", json=row).json()["probability"] for row in rows]
    np.testing.assert_allclose(single, expected.max(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        "data:image/png;base64," + written(GOOD),
        "data:image/PNG;base64," + written(GOOD),
        base64.encodebytes(GOOD).decode(),  # as the command base64 breaks lines
    ],
)
def test_other_ways_to_write_the_same_image(client: TestClient, value: str) -> None:
    plain = client.post("/predict", json={"photo": written(GOOD)}).json()
    assert plain["warnings"] == []
    assert client.post("/predict", json={"photo": value}).json() == plain


def test_a_jpeg_is_read_and_warned_of_where_the_contract_does_so(client: TestClient) -> None:
    answer = client.post("/predict", json={"photo": written(file_of(picture(), "JPEG"))}).json()
    (warning,) = answer["warnings"]
    assert warning.startswith("photo: expected format one of PNG. Why ")


def test_the_same_image_twice_in_one_request_breaks_no_rule(client: TestClient) -> None:
    """Near-duplicates are a rule about many rows."""
    found = client.post("/predict", json=[{"photo": written(GOOD)}] * 3).json()["predictions"]
    assert len({one["probability"] for one in found}) == 1


def truncated(kind: str) -> bytes:
    whole = file_of(Image.effect_noise((48, 48), 50), kind)
    return whole[: len(whole) * 2 // 3]


def animated() -> bytes:
    frames = [picture("south"), picture("west")]
    return file_of(picture(), save_all=True, append_images=frames)


BAD = {
    "a GIF": (file_of(picture(), "GIF"), "a PNG or JPEG image", "a GIF"),
    "a WebP": (file_of(picture(), "WEBP"), "a PNG or JPEG image", "a WebP"),
    "a BMP": (file_of(picture(), "BMP"), "a PNG or JPEG image", "a BMP"),
    "a TIFF": (file_of(picture(), "TIFF"), "a PNG or JPEG image", "a TIFF"),
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a PNG or JPEG image", "an SVG"),
    "bytes": (bytes(range(200)), "a PNG or JPEG image", "200 bytes of another kind"),
    "a signature": (b"\x89PNG\r\n\x1a\n", "a PNG or JPEG image", "a PNG"),
    "a cut PNG": (truncated("PNG"), "an image that can be decoded", "cut short"),
    "a cut JPEG": (truncated("JPEG"), "an image that can be decoded", "cut short"),
    "an animation": (animated(), "a single picture, no animation", "3 of them"),
    "no base64": ("not base64!", "a PNG or JPEG image in base64", "text that is no base64"),
    "wrong padding": (written(GOOD)[:-1], "a PNG or JPEG image in base64", "no base64"),
    "another URL": ("data:text/html;base64,PGI+", "as data:image/png;base64,…", "another data:"),
    "an address": ("https://example.org/a.png", "in base64", "text that is no base64"),
    "empty": ("", "a PNG or JPEG image in base64", "an empty text"),
    "blanks": ("  \n", "a PNG or JPEG image in base64", "an empty text"),
    "null": (None, "a PNG or JPEG image in base64", "nothing"),
    "a number": (7, "a PNG or JPEG image in base64", "no text"),
    "a list": ([1, 2], "a PNG or JPEG image in base64", "no text"),
    "width": (file_of(picture().resize((SIZE + 1, SIZE))), "width 12", "width 13"),
    "height": (file_of(picture().resize((SIZE, 11))), "height 12", "height 11"),
    "mode": (file_of(picture().convert("RGB")), "mode one of L", "mode RGB"),
    "wide": (black(50_000, 1), "at most 512 pixels a side", "50,000 × 1 pixels"),
    "tall": (black(1, 513), "at most 512 pixels a side", "1 × 513 pixels"),
    "pixels": (black(100, 100), "1 to 4,096 pixels", "100 × 100 pixels"),
    "bytes of an image": (bytes(60_001), "at most 60,000 bytes", "60,001 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_image_for_the_model_is_refused_with_the_reason(
    client: TestClient, name: str
) -> None:
    content, expected, found = BAD[name]
    finding = refusal(client, content)
    assert expected in finding["expected"]
    assert found in finding["found"]
    assert finding["hint"]


def test_a_row_without_the_field_is_refused(client: TestClient) -> None:
    (finding,) = client.post("/predict", json={}).json()["findings"]
    assert (finding["field"], finding["found"]) == ("photo", "nothing")
    assert "file in base64" in finding["hint"]


def test_one_bad_image_is_named_among_good_ones(client: TestClient) -> None:
    rows = [{"photo": written(GOOD)}, {"photo": written(b"GIF89a")}, {"photo": written(GOOD)}]
    answer = client.post("/predict", json=rows)
    assert [one["row"] for one in answer.json()["findings"]] == [1]


def test_images_of_one_request_have_few_pixels_together(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four of the largest are decoded and refused by the contract, a fifth is one too many."""
    rows = [{"photo": written(black(64, 64))}] * 5
    four = client.post("/predict", json=rows[:4]).json()["findings"]
    assert [one["expected"] for one in four] == ["width 12"] * 4
    mixed = client.post("/predict", json=[*rows[:4], {"photo": written(black(100, 100))}]).json()
    assert "at most 512 pixels" not in mixed["error"]
    assert mixed["findings"][-1]["expected"].endswith("1 to 4,096 pixels")

    def pixels(*_: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(decoding, "pixels", pixels)
    answer = client.post("/predict", json=rows)
    assert answer.status_code == 422
    (finding,) = answer.json()["findings"]
    assert (finding["row"], finding["field"]) == (4, "photo")
    assert "16,384 pixels together in one request" in finding["expected"]
    assert "`max_image_pixels`" in finding["expected"]
    assert finding["found"] == "20,480 pixels up to this row"


def with_chunk(kind: bytes, content: bytes) -> bytes:
    """The good image with a chunk after its header."""
    return GOOD[:33] + chunk(kind, content) + GOOD[33:]


def inflating(num_bytes: int) -> bytes:
    packer = zlib.compressobj(9)
    zeros = bytes(MEBIBYTE)
    return b"".join(packer.compress(zeros) for _ in range(num_bytes // MEBIBYTE)) + packer.flush()


def bombs() -> dict[str, bytes]:
    """Files of some thousand bytes that are gigabytes, or would be tens of megabytes, of pixels."""
    data = inflating(48 * MEBIBYTE)
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 0, 0, 0, 0)
    many_scans = file_of(picture().resize((64, 64)), "JPEG", progressive=True)
    start = many_scans.index(b"\xff\xda")
    return {
        "50,000 wide": black(50_000, 50_000, num_lines=1),
        "more than its header says": png_of(header, data),
        "less than its header says": black(SIZE, SIZE, num_lines=2),
        "a colour profile": with_chunk(b"iCCP", b"a\0\0" + data),
        "a comment": with_chunk(b"zTXt", b"a\0\0" + data),
        "scans": many_scans[:start] + many_scans[start:-2] * 70 + many_scans[-2:],
        "a JPEG of 65,000": many_scans.replace(b"\x00\x40\x00\x40", b"\xfd\xe8\xfd\xe8", 1),
    }


def png_of(header: bytes, data: bytes) -> bytes:
    parts = (b"IHDR", header), (b"IDAT", data), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in parts)


def test_decompression_bombs_take_no_memory(client: TestClient) -> None:
    """The most that this process ever held grows by less than a decoded one would take."""
    made = bombs()
    client.post("/predict", json={"photo": written(GOOD)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answers = {name: client.post("/predict", json={"photo": written(one)}) for name, one in
               made.items()}  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    refused = {name for name, answer in answers.items() if answer.status_code == 422}
    assert refused >= made.keys() - {"a colour profile", "a comment"}
    assert {answer.status_code for answer in answers.values()} <= {200, 422}
    assert after - before < 24 * MEBIBYTE


def test_interlaced_data_are_as_long_as_the_seven_passes() -> None:
    """8 × 8 pixels: passes of 1×1, 1×1, 2×1, 2×2, 4×2, 4×4 and 8×4; each line has a byte more."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    length = 2 + 2 + 3 + 2 * 3 + 2 * 5 + 4 * 5 + 4 * 9
    whole = png_of(header, zlib.compress(bytes(length)))
    Image.open(io.BytesIO(whole)).load()
    assert png.is_whole(whole)
    assert not png.is_whole(png_of(header, zlib.compress(bytes(length - 1))))
    assert not png.is_whole(png_of(header, zlib.compress(bytes(length + 1))))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (37, 5), (3, 20)])
def test_what_pillow_writes_is_whole(mode: str, size: tuple[int, int]) -> None:
    blank = Image.new("I;16", size) if mode == "I;16" else Image.new("L", size).convert(mode)
    assert png.is_whole(file_of(blank))


def test_limits_are_told(client: TestClient, home: Path) -> None:
    schema = client.get("/schema").json()
    assert {key: schema[key] for key in LIMITS} == LIMITS
    (field,) = schema["fields"]
    assert (field["kind"], field["limits"]) == ("image", LIMITS)
    assert field["expected"] == (
        "a PNG or JPEG image in base64, of at most 60,000 bytes, 4,096 pixels and 512 pixels a side"
    )
    assert field["measures"] == ["width 12", "height 12", "mode one of L"]
    document = client.get("/openapi.json").json()
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == ["photo"]
    assert row["properties"]["photo"]["contentEncoding"] == "base64"
    assert "60,000 bytes" in row["properties"]["photo"]["description"]
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert client.post("/predict", json=body["examples"]["one"]["value"]).status_code == 200
    enforced = read(home, "service.json")["limits"]
    assert enforced["of_values"] == LIMITS


def test_a_row_is_explained_as_pictures(client: TestClient) -> None:
    found = client.post("/explain", json={"photo": written(GOOD)}).json()
    predicted = client.post("/predict", json={"photo": written(GOOD)}).json()
    assert {key: found[key] for key in predicted} == predicted
    assert found["kind"] == "picture"
    for one in found["pictures"]:
        assert Image.open(io.BytesIO(base64.b64decode(one["png"]))).format == "PNG"
    assert {one["region"] for one in found["attributions"]} >= {"top left", "middle"}


def test_nothing_of_an_image_is_logged(
    client: TestClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, "pipeline"):
        client.post("/predict", json={"photo": written(GOOD)})
        client.post("/predict", json={"photo": written(truncated("PNG"))})
    assert [one for one in caplog.records if one.name.startswith("pipeline")] == []
    assert "iVBOR" not in caplog.text
    assert capfd.readouterr() == ("", "")


def test_every_bad_request_of_a_rehearsal_is_answered_as_it_must_be(
    client: TestClient, home: Path
) -> None:
    state = read(home, "service.json")
    contract = read(home, "contract.json")
    columns = strictly(Columns, state["columns"], {})
    rows = as_requests(pl.DataFrame({"photo": [GOOD]}))
    values = list(bad_values(rows[0], columns, contract, state))
    made = bad_requests(rows[0], columns, contract, 20, 200_000, (), values)
    names = [one.name for one in made]
    assert len(set(names)) == len(names)
    assert {
        "a GIF for photo",
        "a decompression bomb for photo",
        "an image cut in half for photo",
        "an image of another width for photo",
        "null in photo",
        "no photo",
    } <= set(names)
    for bad in made:
        assert answer_to(client, bad) is None, bad.name
