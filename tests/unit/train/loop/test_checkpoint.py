"""A checkpoint of other inputs is never resumed, and a damaged one is ignored."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.core.paths import Paths
from pipeline.core.settings.project import load_project
from pipeline.train import stage as train
from pipeline.train.loop.checkpoint import FILE, Checkpoint, changed_at, checkpoint_of
from tests.people import COLUMNS, SETTINGS, make_project, set_section, write_parts, write_yaml

TENSORS = {"w": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(3.0)}


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "deep")
    assert checkpoint.load() is None
    checkpoint.save(TENSORS, {"epoch": 3, "best_loss": float("inf"), "curve": [{"x": 0.1}]})
    state = checkpoint.load()
    assert state is not None
    assert all(torch.equal(state[0][name], value) for name, value in TENSORS.items())
    assert state[1] == {"epoch": 3, "best_loss": float("inf"), "curve": [{"x": 0.1}]}
    checkpoint.delete()
    checkpoint.delete()
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    "damage", ["empty", "cut head", "cut tail", "noise", "no progress", "text"]
)
def test_a_damaged_state_is_ignored(tmp_path: Path, damage: str) -> None:
    checkpoint, file = Checkpoint(tmp_path), tmp_path / FILE
    checkpoint.save(TENSORS, {"epoch": 3})
    whole = file.read_bytes()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "cut head":
            file.write_bytes(whole[:6])
        case "cut tail":
            file.write_bytes(whole[:-4])
        case "noise":
            file.write_bytes(b"\xff" * len(whole))
        case "no progress":
            save_file(TENSORS, file)
        case "text":
            save_file(TENSORS, file, metadata={"progress": "{half"})
    assert checkpoint.load() is None


def folder(root: Path) -> Path:
    project = load_project(root, "people", "train", train.Settings, train.SECTIONS)
    return checkpoint_of(project, Paths(root, "people", "train"), "cpu").folder


CHANGES: dict[str, Any] = {
    "a setting": ("train", {**SETTINGS["train"], "seed": 1}),
    "a nested setting": ("train", {**SETTINGS["train"], "encoder": {"num_bins": 5}}),
    "a default written out": ("train", {**SETTINGS["train"], "patience": 9}),
    "a column's role": ("columns", {**COLUMNS, "numeric": ["age"], "drop": {"hours": "a"}}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_settings_are_another_training(tmp_path: Path, change: str) -> None:
    write_parts(make_project(tmp_path))
    before = folder(tmp_path)
    set_section(tmp_path, *CHANGES[change])
    assert folder(tmp_path) != before


@pytest.mark.parametrize(
    "name",
    [
        "data/people/35_balance/train.parquet",
        "data/people/25_split/validation.parquet",
        "pipeline/train/stage.py",
        "requirements.lock",
    ],
)
def test_one_other_byte_of_what_is_declared_is_another_training(tmp_path: Path, name: str) -> None:
    write_parts(make_project(tmp_path))
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"0123456789" if not file.exists() else file.read_bytes())
    before = folder(tmp_path)
    assert before == folder(tmp_path)
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)
    assert folder(tmp_path) != before


def test_what_is_not_declared_does_not_matter(tmp_path: Path) -> None:
    write_parts(make_project(tmp_path))
    before = folder(tmp_path)
    set_section(tmp_path, "gate", {"rules": []})
    (tmp_path / "data/people/25_split/test.parquet").write_bytes(b"other")
    assert folder(tmp_path) == before
    assert before.parent == tmp_path / ".local/checkpoints"


def test_another_project_in_params_does_not_matter(tmp_path: Path) -> None:
    write_parts(make_project(tmp_path))
    before = folder(tmp_path)
    params = {"projects": {"people": {"modality": "tabular"}, "more": {"modality": "tabular"}}}
    write_yaml(tmp_path / "params.yaml", params)
    assert folder(tmp_path) == before


def test_a_folder_that_another_process_deleted_is_the_oldest(tmp_path: Path) -> None:
    assert changed_at(tmp_path / "gone") == 0 < changed_at(tmp_path)


@pytest.mark.parametrize(
    "name", ["__pycache__/stage.cpython-311.pyc", ".stage.py.swp", "stage.py~"]
)
def test_caches_and_editors_files_are_not_the_code(tmp_path: Path, name: str) -> None:
    write_parts(make_project(tmp_path))
    package = tmp_path / "pipeline/train"
    package.mkdir(parents=True)
    (package / "stage.py").write_text("code")
    before = folder(tmp_path)
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("no code")
    assert folder(tmp_path) == before
    (package / "more.py").write_text("code")
    assert folder(tmp_path) != before


def test_a_checkpoint_of_another_layout_is_named_and_left_to_its_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parts(make_project(tmp_path))
    old = tmp_path / ".local/checkpoints/0123"
    old.mkdir(parents=True)
    save_file(TENSORS, old / FILE, metadata={"progress": "{}", "crc32": "0"})
    Checkpoint(old.with_name("4567")).save(TENSORS, {"epoch": 1})

    found = folder(tmp_path)

    said = capsys.readouterr().err
    assert f"the checkpoint {old} is of another layout of the code" in said
    assert "4567" not in said
    assert found != old
    assert (old / FILE).is_file()
