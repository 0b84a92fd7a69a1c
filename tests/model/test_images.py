"""Images from training to explanation: light squares whose place is their class."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.run.runner import run_stage
from tests.people import HERE, SETTINGS, write_parts, write_yaml
from tests.unit.image.scenes import SIZE, scenes

REGION = {"north": "top", "east": "right", "south": "bottom", "west": "left"}
TRAIN = {
    "encoder": {"size": SIZE},
    "network": {"width": 8, "num_stages": 2},
    "augmentation": {"shift": 1, "erasing": 0.2},
    "max_epochs": 6,
    "batch_size": 32,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "warmup_share": 0.1,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    write_yaml(root / "params.yaml", {"projects": {"people": {"modality": "image"}}})
    columns = {"target": "side", "task": "multiclass", "image": "photo"}
    sections = {**SETTINGS, "columns": columns, "train": TRAIN, "explain": {"num_rows": 40}}
    shutil.copy(HERE / "dvc.yaml", root / "dvc.yaml")
    home = root / "data/people"
    write_yaml(home / "project.yaml", sections)
    write_parts(home, scenes(400))
    (home / "champion").mkdir()
    (home / "champion/champion.json").write_text('{"version": null}\n')
    for stage in ("train", "calibrate", "evaluate", "explain"):
        run_stage(root, stage, "people")
    return root


def report(root: Path, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / f"data/people/{stage}/report.json").read_text())
    return found


def test_classes_are_learned_and_confusions_counted(root: Path) -> None:
    found = report(root, "50_evaluate")
    for who in ("model", "baseline"):
        assert found[who]["metrics"]["accuracy"]["value"] >= 0.95
    counts = found["confusion"]["counts"]
    assert found["confusion"]["classes"] == ["east", "north", "south", "west"]
    assert [sum(row) for row in counts] == [20] * 4
    right = sum(row[i] for i, row in enumerate(counts)) / 80
    assert right == pytest.approx(found["model"]["metrics"]["accuracy"]["value"], abs=1e-6)
    assert {one["column"] for one in found["slices"]} == {"brightness", "contrast", "ink"}


def test_an_explanation_points_at_the_square(root: Path) -> None:
    found = report(root, "60_explain")
    assert found["kind"] == "picture"
    assert found["completeness_error"]["mean"] <= 0.05
    cases = found["cases"]
    strongest = [one["attributions"][0]["region"] for one in cases]
    assert sum(r == REGION[one["decision"]] for r, one in zip(strongest, cases, strict=True)) >= 8
    assert all(len(one["pictures"]) == 3 for one in cases)
    assert sum(one["share"] for one in found["ranking"]) == pytest.approx(1, abs=1e-4)
    reference = json.loads((root / "data/people/60_explain/reference.json").read_text())
    assert reference["words"] == "the mean of the explained images"


def test_training_again_gives_the_same_bytes(root: Path) -> None:
    weights = root / "data/people/40_train/weights.safetensors"
    before = weights.read_bytes()
    run_stage(root, "train", "people")
    assert weights.read_bytes() == before
