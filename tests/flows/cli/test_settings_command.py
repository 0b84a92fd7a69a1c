"""`hallmark settings`: what a person may set, and what a project sets."""

import json
from pathlib import Path

import pytest

from flows.cli.main import main
from tests.people import make_project

MAX_EPOCHS = "train.max_epochs: integer ≥ 1, epochs; default 80"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def settings(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(("settings", *arguments))
    assert ended.value.code == code
    shown = capsys.readouterr()
    return shown.err if code else shown.out


def test_a_section_is_listed_with_type_range_unit_default_and_meaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # in no repository
    lines = settings(capsys, "train").splitlines()
    assert lines[0].startswith("train: Fit everything that is fitted")
    place = lines.index(f"  {MAX_EPOCHS}")
    assert lines[place + 1] == "      Passes over the training rows at the most."
    assert not any("columns." in line for line in lines)


def test_without_a_stage_all_sections_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = settings(capsys)
    for words in ("about.question: text; required", MAX_EPOCHS, "rehearse.num_rows: integer ≥ 1"):
        assert words in shown


def test_of_a_project_it_shows_what_is_set_beside_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_project(tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    shown = settings(capsys, "train", "--project", "people")
    assert f"{MAX_EPOCHS}; people sets 4" in shown
    assert "train.network.hidden: list of integers each ≥ 1, neurons; default [128, 64]; " in shown
    assert "people sets [8]" in shown
    assert "train.patience: integer ≥ 1, epochs; default 8\n" in shown
    assert "Of tabular: Widths of the hidden layers" in shown
    assert "train.encoder.size" not in shown  # of images
    assert "train.encoder.size" in settings(capsys, "train")


def test_the_schema_is_printed_as_it_is_committed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed = json.loads((root / "docs/project.schema.json").read_text(encoding="utf-8"))
    assert json.loads(settings(capsys, "--schema")) == committed


@pytest.mark.parametrize(
    ("arguments", "first", "hint"),
    [
        (
            ("trian",),
            "ProjectError: expected a stage, or about or columns, got 'trian'",
            "did you mean `train`?",
        ),
        (
            ("train", "--project", "adlut"),
            "ProjectError: expected a project that params.yaml names (adult, wine, diabetes, "
            "fashion, reviews), got 'adlut'",
            "did you mean `adult`?",
        ),
    ],
)
def test_what_is_unknown_is_named_with_the_nearest(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    first: str,
    hint: str,
) -> None:
    monkeypatch.chdir(root)
    shown = settings(capsys, *arguments, code=2).splitlines()
    assert shown == [first, f"  hint: {hint}"]
