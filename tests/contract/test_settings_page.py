"""Every key says what it means, and what is written of the keys is what the settings say."""

import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from flows.settings.keys import Key, keys_of
from flows.settings.schema import SECTION_NAMES, project_schema
from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.sections import SHARED
from tools.settings_page import PAGE, SCHEMA, stale


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return project_schema()


@pytest.fixture(scope="module")
def keys(schema: dict[str, Any]) -> list[Key]:
    return [key for name in SECTION_NAMES for key in keys_of(schema, name)]


@pytest.fixture
def adult(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(root / "data/adult/project.yaml")
    return content


def test_the_pages_are_those_that_the_settings_make(root: Path) -> None:
    assert stale(root) == [], "`make docs` writes them anew"


def test_a_page_that_differs_or_is_gone_is_stale(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "docs", tmp_path / "docs")
    (tmp_path / SCHEMA).unlink()
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    (tmp_path / PAGE).write_text(page.replace("`80`", "`81`"), encoding="utf-8")
    assert stale(tmp_path) == [str(SCHEMA), str(PAGE)]


def test_every_key_has_one_line_of_meaning(keys: list[Key]) -> None:
    """A sentence or a few, written as one: `hallmark settings` shows it whole."""
    sentence = re.compile(r"[A-Z0-9`].{8,420}[.)…]")
    assert [key.name for key in keys if not sentence.fullmatch(key.meaning)] == []


def test_every_number_has_a_unit_or_is_a_pure_number(keys: list[Key]) -> None:
    numbers = [key for key in keys if key.is_number]
    assert len(numbers) > 60
    assert [key.name for key in numbers if not key.unit and not key.is_pure] == []


def test_every_number_has_a_range_or_that_of_what_it_limits(keys: list[Key]) -> None:
    without = {key.name: key.unit for key in keys if key.is_number and not key.limits}
    assert set(without.values()) == {"of the column", "of the measure"}


def test_nested_keys_rules_and_those_of_the_modality_are_there(keys: list[Key]) -> None:
    names = {key.name for key in keys}
    assert names >= {
        "about.question",
        "columns.target",
        "clean.rules.N.cast.on_failure",
        "train.mitigation.reduction.max_members",
        "train.network.hidden",  # the modality's
        "train.network.architecture",
        "gate.rules.N.at_most",
        "package.fields.NAME.title",
    }


def test_nothing_in_the_schema_allows_everything(schema: dict[str, Any]) -> None:
    """What the modality decides is filled in, and no section takes a key that nobody reads."""
    assert list(schema["properties"]) == [*SHARED, *READING_ORDER]
    objects = [schema, *schema["$defs"].values()]
    assert all(one["additionalProperties"] is False for one in objects)
    fields = [field for one in objects for field in one["properties"].values()]
    for field in fields:
        assert {"type", "$ref", "anyOf", "enum", "const"} & set(field), field


def test_the_schema_is_one_and_takes_every_project_of_the_repository(
    root: Path, schema: dict[str, Any]
) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    files = sorted(root.glob("data/*/project.yaml"))
    assert files
    for file in files:
        problems = validator.iter_errors(YAML(typ="safe").load(file))
        assert [problem.message for problem in problems] == [], file


@pytest.mark.parametrize(
    ("section", "value", "path"),
    [
        ("train", {"max_epoch": 1}, ["train"]),
        ("train", {"max_epochs": "40"}, ["train", "max_epochs"]),
        ("train", {"max_epochs": 0}, ["train", "max_epochs"]),
        ("train", {"network": {"hiden": [8]}}, ["train", "network"]),
        ("train", {"network": {"hidden": [8.5]}}, ["train", "network"]),
        ("calibrate", {"maximise": "acuracy"}, ["calibrate", "maximise"]),
        ("clean", {"rules": [{"name": "a", "rule": "cats"}]}, ["clean", "rules", 0]),
        ("gate", {"rules": [{"measure": "auc", "at_least": 0.5}]}, ["gate", "rules", 0, "measure"]),
        ("report", [], ["report"]),
        ("inspect", {}, []),
    ],
)
def test_the_schema_refuses_what_the_settings_refuse(
    schema: dict[str, Any], adult: dict[str, Any], section: str, value: Any, path: list[Any]
) -> None:
    problems = jsonschema.Draft202012Validator(schema).iter_errors({**adult, section: value})
    assert [list(problem.absolute_path) for problem in problems] == [path]


def test_a_section_that_is_absent_is_missed(schema: dict[str, Any], adult: dict[str, Any]) -> None:
    del adult["report"]
    with pytest.raises(jsonschema.ValidationError, match="'report' is a required property"):
        jsonschema.validate(adult, schema, cls=jsonschema.Draft202012Validator)


def test_adult_names_the_schema_where_editors_look_for_it(root: Path) -> None:
    file = root / "data/adult/project.yaml"
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("=")[2]).resolve() == root / SCHEMA
