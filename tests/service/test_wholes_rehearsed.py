"""rehearse, of images and texts: which rows, how they are sent, how far answers may be off."""

import base64
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.tracking.logged_model import model_files
from pipeline.core.files import read_json, write_json
from pipeline.core.prediction import prediction
from pipeline.core.scoring.offline import Classes
from pipeline.package.stage import Settings as Limits
from pipeline.package.stage import computed
from pipeline.rehearse.replay import as_requests
from pipeline.rehearse.stage import Settings, chosen, offline, rehearse, to_be_answered
from pipeline.service import build
from pipeline.service.entry import timeout_s as in_repository
from pipeline.service.predictor import load
from tests.bento_inputs import ROOT
from tests.media_models import service
from tests.unit.image.scenes import SIZE, scenes

COLUMNS = {"target": "side", "task": "multiclass", "image": "photo", "sensitive": []}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged image project in files; `bento` has them as a bento's folder has."""
    network = {"encoder": {"size": SIZE}, "network": {"width": 4, "num_stages": 1}}
    made = tmp_path_factory.mktemp("images")
    return service(made, "image", scenes(8), COLUMNS, [], [], network, {"max_rows": 20})


def test_images_are_sent_in_base64() -> None:
    rows = pl.DataFrame({"photo": [b"\x89PNG\xff", None], "text": ["tea", "é"]})
    sent = as_requests(rows)
    assert sent == [{"photo": "iVBOR/8=", "text": "tea"}, {"photo": None, "text": "é"}]
    assert base64.b64decode(sent[0]["photo"]) == b"\x89PNG\xff"


@pytest.mark.parametrize("is_text", [True, False])
def test_the_shortest_and_the_longest_are_among_the_chosen(is_text: bool) -> None:
    """Of 200 texts of 1 to 200 letters, no two the same, half of 60 are extreme ones."""
    lengths = np.random.default_rng(0).permutation(200) + 1
    texts = ["x" * int(one) for one in lengths]
    values = pl.Series(texts) if is_text else pl.Series([one.encode() for one in texts])
    rows = {"_row": range(200), "_key": range(200), "review": values}
    table = pl.DataFrame(rows, schema_overrides={"_row": pl.UInt32, "_key": pl.UInt64})
    found = chosen(table, ["review"], 60, ["review"]).to_list()
    assert (len(found), found) == (60, sorted(found))
    extreme = sum(lengths[i] < 20 or lengths[i] > 181 for i in found)
    assert 30 <= extreme <= 38
    assert chosen(table, ["review"], 500, ["review"]).to_list() == list(range(200))


def answers(expected: np.ndarray[Any, Any], labels: list[str]) -> list[dict[str, Any]]:
    """What a service says that has these probabilities."""
    found = []
    for row in expected.tolist():
        named = dict(zip(labels, row, strict=True))
        label = max(named, key=named.__getitem__)
        found.append({"label": label, "probability": named[label], "probabilities": row})
    return found


@pytest.mark.parametrize(
    ("served_in", "setting", "off", "passed"),
    [
        ("fp32", None, 5e-6, True),
        ("fp32", None, 5e-5, False),
        ("bf16", None, 5e-5, True),
        ("bf16", None, 5e-2, False),
        ("fp32", 1e-3, 5e-5, True),
        ("bf16", 1e-5, 5e-5, False),
    ],
)
def test_how_far_answers_may_be_off_is_stated_by_precision(
    home: Path, tmp_path: Path, served_in: str, setting: float | None, off: float, passed: bool
) -> None:
    service_json = read_json(home / "bento/src/service.json")
    assert service_json["computed"] == {
        "device": "cpu",
        "trained_in": "fp32",
        "served_in": "fp32",
    }
    rows = scenes(4).select("photo")
    expected = offline(home / "bento", rows)
    for name in ("model/model.json", "model/policy.json"):
        write_json(tmp_path / "src" / name, read_json(home / "bento/src" / name))
    service_json["computed"]["served_in"] = served_in
    write_json(tmp_path / "src/service.json", service_json)
    known = to_be_answered(tmp_path, rows, expected, Settings(tolerance=setting), None)
    assert isinstance(known, Classes)
    moved = expected.copy()
    moved[2] += np.array([off, -off, 0, 0])
    found = known.compared(answers(moved, service_json["labels"]))
    assert (found.passed, found.largest) == (passed, pytest.approx(off, rel=1e-3))


def test_the_precision_of_training_is_recorded() -> None:
    assert computed({"precision": "bf16"})["trained_in"] == "bf16"
    assert computed({"precision": "bf16"})["served_in"] == prediction.PRECISION == "fp32"


def test_mlflow_logs_the_model_with_an_image_in_base64_as_its_example(home: Path) -> None:
    """And what is logged answers a table of such texts as the service does."""
    logged = model_files(home / "bento", ["polars"])
    assert list(logged.example) == ["photo"]
    (text,) = logged.example["photo"]
    assert base64.b64decode(text).startswith(b"\x89PNG")
    answer = load(home / "bento/src").answer([logged.example.to_dict("records")])[0]
    assert (len(answer.predictions), answer.findings) == (1, [])


def test_a_body_must_have_arrived_before_its_request_is_ended() -> None:
    assert Limits(body_timeout_s=20, request_timeout_s=60).request_timeout_s == 60
    with pytest.raises(ValueError, match="body_timeout_s to be less than request_timeout_s"):
        Limits(body_timeout_s=20)


def test_the_bento_ends_requests_when_its_settings_say(tmp_path: Path) -> None:
    """In the repository, where no bento is, after BentoML's 10 seconds."""
    entry = importlib.util.spec_from_file_location("service", tmp_path / "service.py")
    (tmp_path / "service.py").write_bytes((ROOT / "pipeline/service/entry.py").read_bytes())
    write_json(tmp_path / "service.json", {"limits": {"request_timeout_s": 60}})
    assert entry is not None
    assert entry.loader is not None
    loaded = importlib.util.module_from_spec(entry)
    entry.loader.exec_module(loaded)
    assert (loaded.timeout_s(), in_repository()) == (60, 10)


@pytest.mark.slow
def test_a_bento_of_images_is_built_and_rehearsed(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for file in (home / "bento/src").rglob("*"):
        if file.is_file():
            copy = source / file.relative_to(home / "bento/src")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    folder, facts = build.built(source, "people", [ROOT / "requirements.lock"])
    names = {one.split("==")[0] for one in facts["requirements"]}
    assert "pillow" in names
    assert not {"transformers", "scikit-learn", "great-expectations"} & names
    assert (folder / "src/pipeline/image/serving/limits.py").is_file()
    rows = scenes(40).select("photo")
    report = rehearse(folder, rows, offline(folder, rows), Settings(batch_rows=20))
    assert [one for one in report["checks"] if one["outcome"] != "pass"] == []
    assert "bad request: a decompression bomb for photo" in [c["name"] for c in report["checks"]]
