"""`hallmark contract`: the three that changed and nothing else, the edits, and who accepts them."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from flows.cli.main import main
from pipeline.core.contract.contract import contract_text, load_contract
from pipeline.core.errors import ContractBreach, ProjectError
from pipeline.core.run.runner import run_stage
from pipeline.onboarding.contract.inference import inferred
from pipeline.onboarding.contract.project_edits import edited, shortened
from pipeline.tabular.data import cleaning
from tests.people import make_project, write_yaml
from tests.unit.onboarding.contract.test_differences import COLUMNS, RULES, loans, older, some

PROJECT = "people"
THREE = [
    "1. critical: column 'town' is now called 'place': its values look alike",
    "2. critical: age: 1,000 of 1,000 rows (100%) outside 10 to 70; now 120 to 160, half of it "
    "130 to 150, median 140",
    "3. critical: job: 1 new level in 20 of 1,000 rows (2%): 'pilot' (20)",
]


def three_changes(table: pl.DataFrame) -> pl.DataFrame:
    return older(some(table, "job", "pilot")).rename({"town": "place"})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one project, its contract inferred, and deliveries beside it."""
    rules = [rule.model_dump(mode="json", exclude_defaults=True) for rule in RULES]
    columns = COLUMNS.model_dump(mode="json", exclude_defaults=True)
    home = make_project(
        tmp_path,
        columns=columns,
        clean={"rules": rules},
        validate={},
        ingest={"source": "raw/a.csv"},
    )
    prepared, _ = cleaning.apply(loans(), RULES)
    content = inferred(loans(), prepared, COLUMNS, PROJECT)
    (tmp_path / ".dvc").mkdir()
    (home / "contract.json").write_text(contract_text(content), encoding="utf-8")
    loans().write_csv(tmp_path / "same.csv")
    three_changes(loans()).write_csv(tmp_path / "three.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hallmark(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["contract", PROJECT, *arguments])
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def numbered(text: str) -> list[str]:
    return [line for line in text.splitlines() if line[:1].isdigit()]


def test_without_a_file_the_contract_is_shown(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = hallmark(capsys=capsys)
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "the table has at least 500 rows critical rows 1,000" in lines
    assert "age lies from 10 to 70 critical min 20, max 60, rows 1,000" in lines


def test_the_same_file_breaks_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = hallmark("--diff", "same.csv", capsys=capsys)
    assert (code, out) == (0, "same.csv: 1,000 rows: nothing of the contract would break\n")


def test_three_changes_are_three_lines_and_validate_says_the_same(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (root / "data/people/contract.json").read_bytes()
    code, out, _ = hallmark("--diff", "three.csv", "--json", "found.json", capsys=capsys)
    assert code == 3
    assert numbered(out) == THREE
    assert '     - "kwargs": {"column": "age", "min_value": 10, "max_value": 70},' in out
    assert '     + "kwargs": {"column": "age", "min_value": 10, "max_value": 170},' in out
    assert (root / "data/people/contract.json").read_bytes() == before
    kinds = [one["kind"] for one in json.loads((root / "found.json").read_text())]
    assert kinds == ["renamed_column", "range", "levels"]

    (root / "data/people/raw/a.csv").write_bytes((root / "three.csv").read_bytes())
    run_stage(root, "ingest", PROJECT)
    with pytest.raises(ContractBreach) as caught:
        run_stage(root, "validate", PROJECT)
    assert [f"{n}. {one}" for n, one in enumerate(caught.value.findings, start=1)] == THREE
    with pytest.raises(ProjectError, match="the snapshot lacks 'town'"):
        run_stage(root, "clean", PROJECT)


def test_each_accepted_edit_ends_its_finding_and_no_other(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for left in (2, 1, 0):
        code, out, _ = hallmark("--diff", "three.csv", "--write", "--accept", "1", capsys=capsys)
        assert code == 0
        assert "data/people/contract.json: accepted: " in out
        code, out, _ = hallmark("--diff", "three.csv", capsys=capsys)
        assert len(numbered(out)) == left
        assert code == (3 if left else 0)
    columns = YAML(typ="safe").load(root / "data/people/project.yaml")["columns"]
    assert columns["categorical"] == ["job", "place", "region"]
    source = root / "data/people/contract.json"
    content = load_contract(source, "contract.json")
    assert source.read_text() == contract_text(content)
    notes = [
        entry["meta"]["notes"]
        for entry in content["prepared"]["expectations"]
        if entry["kwargs"].get("column") == "job" and "value_set" in entry["kwargs"]
    ]
    assert notes == [
        "Every level of job was met often; a new one is a change of coding. Accepted: job: 1 new "
        "level in 20 of 1,000 rows (2%): 'pilot' (20)."
    ]
    code, out, _ = hallmark("--diff", "three.csv", capsys=capsys)
    assert "nothing of the contract would break" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--write"], "expected --diff NEW_FILE with --write, --accept and --json"),
        (["--diff", "three.csv", "--write"], "expected --write and --accept N together"),
        (["--diff", "three.csv", "--accept", "1"], "expected --write and --accept N together"),
        (
            ["--diff", "three.csv", "--write", "--accept", "4"],
            "expected the number of a finding, of which there are 3, got 4",
        ),
        (["--diff", "absent.csv"], "absent.csv"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    root: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (root / "data/people/contract.json").read_bytes()
    code, _, err = hallmark(*arguments, capsys=capsys)
    assert code == 2
    assert words in err
    assert (root / "data/people/contract.json").read_bytes() == before


def test_a_new_and_a_missing_column_change_contract_and_project(tmp_path: Path) -> None:
    source = tmp_path / "project.yaml"
    source.write_text(
        "# ours\ncolumns:\n  target: paid\n  numeric: [age, amount]\n"
        "  drop:\n    note: free text\nclean:\n  rules: []\n"
    )
    new = edited(source, "new_column", ("colour",))
    assert (
        list(shortened(source.read_text(), new))
        == ["+ colour: new in a delivery: nobody has given it a role yet"]
        or "colour:" in new
    )
    gone = edited(source, "missing_column", ("age",))
    assert list(shortened(source.read_text(), gone)) == [
        "- numeric: [age, amount]",
        "+ numeric: [amount]",
    ]
    assert gone.startswith("# ours\n")


def test_adults_own_contract_takes_a_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.conftest import ROOT
    from tests.unit.validate.test_stage import delivered

    write_yaml(tmp_path / "params.yaml", {"projects": {"adult": {"modality": "tabular"}}})
    home = tmp_path / "data" / "adult"
    home.mkdir(parents=True)
    for name in ("project.yaml", "contract.json"):
        (home / name).write_bytes((ROOT / "data/adult" / name).read_bytes())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    delivered(workclass=" Stategov").write_csv("new.csv")
    with pytest.raises(SystemExit) as ended:
        main(["contract", "adult", "--diff", "new.csv"])
    assert ended.value.code == 3
    found: Any = capsys.readouterr().out
    # the rows are one row 20,000 times: cleaning keeps two of them
    assert "workclass: 1 new level in 1 of 2 rows (50%): 'Stategov' (1)" in found


def test_the_command_is_listed() -> None:
    from flows.cli.main import cli

    assert "contract" in CliRunner().invoke(cli, ["--help"]).output
