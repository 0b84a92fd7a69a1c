"""project.yaml: what is wrong is named by file and key, with what was expected and what to do."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.calibrate import stage as calibrate
from pipeline.core.errors import ProjectError
from pipeline.core.settings.modality import part
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.project import Project, load_project
from pipeline.gate import stage as gate
from pipeline.ingest import stage as ingest
from pipeline.train import stage as train
from tests.people import COLUMNS, SETTINGS, columns_of, make_project, write_yaml


def load(root: Path, stage: Any, name: str = "people") -> Project[Any]:
    word = stage.__name__.split(".")[1]
    return load_project(root, name, word, stage.Settings, stage.SECTIONS)


def refusal(root: Path, stage: Any, name: str = "people") -> str:
    with pytest.raises(ProjectError) as caught:
        load(root, stage, name)
    return str(caught.value)


def test_a_stage_sees_its_own_section_and_the_shared_ones_it_names(tmp_path: Path) -> None:
    make_project(tmp_path)
    project = load(tmp_path, ingest)
    assert (project.name, project.modality) == ("people", "tabular")
    assert project.settings.source == "raw/people.csv"
    assert project.columns.features == ("age", "hours", "job")
    assert set(project.shared) == {"columns"}
    with pytest.raises(KeyError):
        _ = project.about


def test_every_delivered_column_is_named_once() -> None:
    columns = columns_of(categorical=["job", "sex"])
    assert columns.all == ("age", "hours", "job", "sex", "region", "note", "income")


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    make_project(tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        load(tmp_path, ingest).settings.source = "other"


WRONG: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "unknown key": (
        ingest,
        {"ingest": {"source": "a", "formt": "csv"}},
        ["project.yaml: unknown key `ingest.formt`", "did you mean `format`?"],
    ),
    "unknown key far from any": (
        calibrate,
        {"calibrate": {"zzz": 1}},
        ["unknown key `calibrate.zzz`", "known are: temperature, threshold, maximise"],
    ),
    "unknown key, nested": (
        train,
        {"train": {"mitigation": {"strenght": 1}}},
        ["unknown key `train.mitigation.strenght`", "did you mean `strength`?"],
    ),
    "unknown key of the modality": (
        train,
        {"train": {"encoder": {"num_binz": 3}}},
        ["unknown key `train.encoder.num_binz`", "did you mean `num_bins`?"],
    ),
    "unknown key in a list": (
        gate,
        {"gate": {"rules": [{"measure": "roc_auc", "at_leest": 0.5, "at_most": 1}]}},
        ["unknown key `gate.rules.0.at_leest`", "did you mean `at_least`?"],
    ),
    "missing key": (ingest, {"ingest": {}}, ["expected the key `ingest.source`, found none"]),
    "wrong type": (
        calibrate,
        {"calibrate": {"threshold": "half"}},
        ["data/people/project.yaml: calibrate.threshold: ", "expected a number", "got 'half'"],
    ),
    "out of range": (train, {"train": {"max_epochs": 0}}, ["train.max_epochs: ", "got 0"]),
    "wrong choice": (
        calibrate,
        {"calibrate": {"maximise": "profit"}},
        ["calibrate.maximise: ", "expected accuracy or balanced_accuracy, got 'profit'"],
    ),
    "two things wrong": (
        train,
        {"train": {"max_epochs": 0, "patiense": 3}},
        [
            "unknown key `train.patiense`",
            "  - train.max_epochs: expected",
            "did you mean `patience`?",
        ],
    ),
    "empty section": (
        train,
        {"train": None},
        ["project.yaml: train: expected `key: value` lines, got nothing", "write `train: {}`"],
    ),
    "section is a list": (
        train,
        {"train": [1]},
        ["train: expected `key: value` lines, got a list"],
    ),
    "nested section is a number": (train, {"train": {"encoder": 5}}, ["train.encoder: ", "got 5"]),
    "unknown section": (
        ingest,
        {"trian": {}},
        ["project.yaml: unknown section `trian`; known are about, columns, ingest", "`train`?"],
    ),
    "column with two roles": (
        ingest,
        {"columns": {**COLUMNS, "categorical": ["job", "age"]}},
        ["columns: expected one role for column 'age', got numeric and categorical"],
    ),
    "target is a feature": (
        ingest,
        {"columns": {**COLUMNS, "numeric": ["income"]}},
        ["expected one role for column 'income', got numeric and target"],
    ),
    "target is sensitive": (
        ingest,
        {"columns": {**COLUMNS, "sensitive": ["income"]}},
        ["expected one role for column 'income', got target and sensitive"],
    ),
    "sensitive and dropped": (
        ingest,
        {"columns": {**COLUMNS, "sensitive": ["note"]}},
        ["expected one role for column 'note', got drop and sensitive"],
    ),
    "named twice": (
        ingest,
        {"columns": {**COLUMNS, "numeric": ["age", "age"]}},
        ["expected one role for column 'age', got numeric and numeric"],
    ),
    "sensitive twice": (
        ingest,
        {"columns": {**COLUMNS, "sensitive": ["sex", "sex"]}},
        ["expected one role for column 'sex', got sensitive and sensitive"],
    ),
    "dropped without a reason": (
        ingest,
        {"columns": {**COLUMNS, "drop": {"note": None}}},
        ["columns.drop.note: expected text"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, case: str) -> None:
    stage, sections, expected = WRONG[case]
    make_project(tmp_path, **sections)
    text = refusal(tmp_path, stage)
    for words in expected:
        assert words in text
    assert "pydantic" not in text


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    home = make_project(tmp_path)
    for gone in ("calibrate", "columns"):
        write_yaml(home / "project.yaml", {k: v for k, v in SETTINGS.items() if k != gone})
        text = refusal(tmp_path, calibrate)
        assert f"project.yaml: expected the section `{gone}`, found none" in text
        assert f"add `{gone}: {{}}`" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [1", "data/people/project.yaml: line 2: expected YAML: did not find"),
        ("ingest: {}\ningest: {}\n", "project.yaml: line 2: expected the key `ingest` once"),
        ("- a\n- b\n", "data/people/project.yaml: expected `key: value` lines, found a list"),
        ("", "data/people/project.yaml: expected `key: value` lines, found an empty file"),
        (None, "expected the file data/people/project.yaml, found none"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: str | None, expected: str) -> None:
    source = make_project(tmp_path) / "project.yaml"
    source.unlink() if content is None else source.write_text(content)
    assert expected in refusal(tmp_path, ingest)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (make_project(tmp_path) / "project.yaml").write_bytes(b"about: \xe9\n")
    assert "project.yaml: line 1: expected text in UTF-8" in refusal(tmp_path, ingest)


def test_an_unknown_project_is_named_with_the_nearest(tmp_path: Path) -> None:
    make_project(tmp_path)
    text = refusal(tmp_path, ingest, "peple")
    assert "expected a project that params.yaml names (people), got 'peple'" in text
    assert "did you mean `people`?" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, "params.yaml: expected projects below the key `projects`, found none"),
        ({"projects": ["people"]}, "params.yaml: expected projects below the key `projects`"),
        (
            {"projects": {"people": "tabular"}},
            "projects.people: expected the line `modality: NAME`",
        ),
        ({"projects": {"people": {"modality": 3}}}, "projects.people: expected the line `mod"),
    ],
)
def test_wrong_params_are_refused(tmp_path: Path, content: Any, expected: str) -> None:
    make_project(tmp_path)
    write_yaml(tmp_path / "params.yaml", content)
    assert expected in refusal(tmp_path, ingest)


@pytest.mark.parametrize("modality", ["tabluar", "core", "tabular.deep", ""])
def test_an_unknown_modality_is_refused(tmp_path: Path, modality: str) -> None:
    make_project(tmp_path)
    write_yaml(tmp_path / "params.yaml", {"projects": {"people": {"modality": modality}}})
    text = refusal(tmp_path, train)
    assert "params.yaml: expected a modality" in text
    assert repr(modality) in text


def test_a_part_of_a_modality_is_its_module() -> None:
    assert part("tabular", "data.profile").__name__ == "pipeline.tabular.data.profile"
    with pytest.raises(ProjectError, match=r"has poetry\.py, got 'tabular'"):
        part("tabular", "poetry")


def test_a_package_missing_inside_a_part_is_no_unknown_modality(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "pipeline.tabular.model.encoding", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        part("tabular", "model.encoding")


def test_nearest_lists_what_is_known_when_nothing_is_near() -> None:
    assert nearest("roc_auk", ("roc_auc", "accuracy")) == "did you mean `roc_auc`?"
    assert nearest("zzz", ("roc_auc", "accuracy")) == "known are: roc_auc, accuracy"
    assert nearest("zzz", ()) == ""


@pytest.mark.parametrize("value", [True, "40", 4.5])
def test_a_value_of_another_type_is_not_turned_into_the_right_one(
    tmp_path: Path, value: Any
) -> None:
    make_project(tmp_path, train={"max_epochs": value})
    assert "train.max_epochs" in refusal(tmp_path, train)


def test_an_unknown_key_of_params_is_named(tmp_path: Path) -> None:
    make_project(tmp_path)
    with (tmp_path / "params.yaml").open("a") as params:
        params.write("pricez: {}\n")
    message = refusal(tmp_path, ingest)
    assert "params.yaml: unknown key `pricez`" in message
    assert "did you mean `prices`?" in message
