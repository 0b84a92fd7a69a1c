"""`hallmark init` as a stranger meets it: in a real git and DVC repository, on many files."""

import contextlib
import errno
import gzip
import io
import json
import re
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from flows.cli.main import main
from flows.init import files as init_files
from flows.settings.project_file import check_project
from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.graph_file import graph_text
from tests.conftest import ROOT
from tests.people import people, task_people

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PARAMS = """\
# The projects.
projects:
  first: # the one from before
    modality: tabular
    schedule: never # by hand

# Prices stand below.
prices:
  currency: EUR
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def hallmark(folder: Path, *arguments: str) -> Ended:
    """Run a command in this process, in a folder."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a graph and one project, and beside it the file people.csv."""
    from dvc.repo import Repo

    root = tmp_path_factory.mktemp("base") / "repository"
    (root / "data/first").mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    Repo.init(str(root)).close()
    shutil.copy(ROOT / "dvc.yaml", root)
    (root / "graph.yaml").write_text(graph_text("first", "tabular", "."))
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    (root / "params.yaml").write_text(PARAMS)
    (root / "data/first/project.yaml").write_text("ingest: {}\n")
    people(240).drop("_row", "_key").write_csv(root.parent / "people.csv")
    return root


ARGUMENTS = ("--target", "income", "--positive", "high", "--sensitive", "sex,region")


@pytest.fixture(scope="module")
def made(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The repository with the project people, and what the command printed."""
    root = tmp_path_factory.mktemp("made") / "repository"
    shutil.copytree(base, root, symlinks=True)
    shutil.copy(base.parent / "people.csv", root.parent)
    ended = hallmark(root, "init", "../people.csv", *ARGUMENTS)
    assert ended.code == 0, ended.out + ended.err
    return root, ended


@pytest.fixture
def here(made: tuple[Path, Ended], tmp_path: Path) -> Path:
    """A copy of that repository, to do with as one likes."""
    root = tmp_path / "repository"
    shutil.copytree(made[0], root, symlinks=True)
    shutil.copy(made[0].parent / "people.csv", tmp_path)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file of the repository that is not git's or DVC's own."""
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and not {".git", ".dvc", ".local"} & set(file.relative_to(root).parts)
    }


def project(root: Path, name: str = "people") -> Any:
    return YAML(typ="safe").load(root / f"data/{name}/project.yaml")


def test_a_project_stands_there_that_passes_every_check(made: tuple[Path, Ended]) -> None:
    root, _ = made
    check_project(root, "people")
    home = root / "data/people"
    found = project(root)
    assert found["ingest"] == {"source": "raw/people.csv"}
    assert (home / "raw/people.csv").read_bytes() == (root.parent / "people.csv").read_bytes()
    assert found["columns"]["target"] == "income"
    assert found["columns"]["sensitive"] == ["sex", "region"]
    assert found["columns"]["numeric"] == ["age", "hours"]
    assert found["columns"]["missing"] == {"age": "median", "job": "level"}
    assert list(found["columns"]["drop"]) == ["note"]
    assert json.loads((home / "overrides.json").read_text()) == {"overrides": []}
    assert json.loads((home / "champion/champion.json").read_text())["version"] is None
    contract = json.loads((home / "contract.json").read_text())
    assert set(contract) == {"delivered", "prepared"}


def test_project_yaml_is_commented_and_looks_unfinished_where_it_is(
    made: tuple[Path, Ended],
) -> None:
    text = (made[0] / "data/people/project.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=../../docs/project.schema.json\n")
    assert (made[0] / "data/people/../../docs").parent.samefile(made[0])
    assert text.count("not said yet") == 5
    assert "- hours  # numbers with" in text
    assert "in cross-validation on" in text  # where a limit comes from
    assert max(map(len, text.splitlines())) <= 100


def test_the_raw_file_is_under_dvc_and_no_push_would_send_it(made: tuple[Path, Ended]) -> None:
    root, _ = made
    (out,) = YAML(typ="safe").load(root / "data/people/raw.dvc")["outs"]
    assert (out["path"], out["nfiles"]) == ("raw", 1)
    assert (out["remote"], out["push"]) == ("embedded", False)
    assert (root / "data/people/.gitignore").read_text() == "/raw\n"
    shutil.move(root / "data/people/raw", root.parent / "away")
    subprocess.run(["dvc", "checkout", "-q", "data/people/raw.dvc"], cwd=root, check=True)
    assert (root / "data/people/raw/people.csv").is_file()


def test_params_keep_every_comment_where_it_was(made: tuple[Path, Ended]) -> None:
    new = "  people:\n    modality: tabular\n"
    before = "    schedule: never # by hand\n"
    assert (made[0] / "params.yaml").read_text() == PARAMS.replace(before, before + new)


def test_the_screen_names_columns_findings_gates_and_what_is_next(
    made: tuple[Path, Ended],
) -> None:
    out = made[1].out
    assert "people: 240 rows × 7 columns from people.csv (csv" in out
    assert "predicts income (binary): two classes: 'high' is positive" in out
    assert "note    drop" in out
    assert "gate: roc_auc ≥" in out
    assert "hallmark build people" in out
    assert "no limit on their gap below" in out  # 240 rows cannot show much about groups
    assert "\x1b[" not in out
    assert len(out.splitlines()) < 50


def test_the_graph_is_there_and_its_plots_are_named_for_the_project(
    made: tuple[Path, Ended],
) -> None:
    from dvc.repo import Repo

    root = made[0]
    assert (root / "data/people/dvc.yaml").read_text() == (root / "dvc.yaml").read_text()
    with Repo(str(root)) as repo:
        known = repo.index
        (plots,) = (found for file, found in known._plots.items() if "data/people/" in file)
        names = {stage.name for stage in known.stages if "data/people/dvc.yaml" in stage.addressing}
    assert [next(iter(plot)) for plot in plots] == [
        "training, people",
        "roc, people",
        "reliability, people",
    ]
    assert names == set(READING_ORDER)


def test_the_same_call_again_touches_nothing(here: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in here.rglob("data/**/*") if file.is_file()}
    ended = hallmark(here, "init", "../people.csv", *ARGUMENTS)
    assert (ended.code, ended.err) == (0, "")
    assert "people: nothing to do" in ended.out
    assert before == {
        file: file.stat().st_mtime_ns for file in here.rglob("data/**/*") if file.is_file()
    }


@pytest.mark.parametrize("edited", ["project.yaml", "contract.json"])
def test_a_persons_edits_are_not_overwritten(here: Path, edited: str) -> None:
    file = here / "data/people" / edited
    file.write_text(file.read_text().replace("people", "persons"))
    before = contents(here)
    ended = hallmark(here, "init", "../people.csv", *ARGUMENTS)
    assert ended.code == 2
    assert f"{edited} differs" in ended.err
    assert "--force overwrites" in ended.err
    assert contents(here) == before


def test_a_dry_run_shows_the_difference_and_force_overwrites(here: Path) -> None:
    file = here / "data/people/project.yaml"
    original = file.read_text()
    file.write_text(original.replace("question: not said yet", "question: Is it high?"))
    before = contents(here)
    shown = hallmark(here, "init", "../people.csv", *ARGUMENTS, "--dry-run")
    assert shown.code == 0
    assert "-  question: Is it high?" in shown.out
    assert "+  question: not said yet" in shown.out
    assert "=== params.yaml" not in shown.out  # it would stay as it is
    assert contents(here) == before
    (here / "data/people/overrides.json").write_text('{"overrides": [1]}')
    assert hallmark(here, "init", "../people.csv", *ARGUMENTS, "--force").code == 0
    assert file.read_text() == original
    assert (here / "data/people/overrides.json").read_text() == '{"overrides": [1]}'


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--target", "job"), "--target was income, is job now"),
        (("--sensitive", "sex"), "--sensitive was sex,region, is sex now"),
    ],
)
def test_other_arguments_are_another_project(
    here: Path, changed: tuple[str, str], words: str
) -> None:
    arguments = ["--target", "income", "--positive", "high", "--sensitive", "sex,region"]
    arguments[arguments.index(changed[0]) + 1] = changed[1]
    ended = hallmark(here, "init", "../people.csv", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert "--name makes another project" in ended.err


def test_another_file_is_another_project(here: Path) -> None:
    people(200, seed=1).drop("_row", "_key").write_csv(here.parent / "people.csv")
    ended = hallmark(here, "init", "../people.csv", *ARGUMENTS)
    assert ended.code == 2
    assert "it was made from people.csv, with other bytes" in ended.err


def test_a_project_made_by_hand_is_left_alone(here: Path) -> None:
    for more in ((), ("--force",)):
        ended = hallmark(here, "init", "../people.csv", *ARGUMENTS, "--name", "first", *more)
        assert ended.code == 2
        assert "'first' is one already, and not made by `hallmark init`" in ended.err


def test_a_dry_run_writes_nothing(base: Path) -> None:
    before, cache = contents(base), sorted((base / ".dvc").rglob("*"))
    ended = hallmark(base, "init", "../people.csv", *ARGUMENTS, "--dry-run")
    assert ended.code == 0
    assert "=== data/people/project.yaml\n# yaml-language-server" in ended.out
    assert "=== data/people/contract.json" in ended.out
    assert "+  people:" in ended.out
    assert contents(base) == before
    assert sorted((base / ".dvc").rglob("*")) == cache


@pytest.mark.parametrize("when", ["dvc", "last move"])
def test_an_error_in_the_middle_leaves_the_repository_as_it_was(
    base: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    before = contents(base)
    if when == "dvc":
        monkeypatch.setattr(init_files, "add_to_dvc", _fail)
    else:
        rename = Path.rename

        def fail_at_params(source: Path, target: Path) -> Path:
            if target == base / "params.yaml" and source.name == "params.yaml":
                raise OSError(errno.ENOSPC, "No space left on device")
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", fail_at_params)
    ended = hallmark(base, "init", "../people.csv", *ARGUMENTS)
    monkeypatch.undo()
    assert ended.code != 0
    assert "expected room on the disk" in ended.err
    assert contents(base) == before
    assert [path.name for path in (base / "data").iterdir()] == ["first"]


def test_a_call_that_was_killed_before_the_last_move_is_brought_to_its_end(here: Path) -> None:
    whole = (here / "params.yaml").read_text()
    (here / "params.yaml").write_text(PARAMS)
    files = contents(here / "data/people")
    ended = hallmark(here, "init", "../people.csv", *ARGUMENTS)
    assert ended.code == 0
    assert (here / "params.yaml").read_text() == whole
    assert contents(here / "data/people") == files


def _fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_forced_call_that_fails_puts_everything_back(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = contents(here), Path.rename

    def fail_once(source: Path, target: Path) -> Path:
        if source.name == target.name == "raw.dvc":
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    ended = hallmark(here, "init", "../people.csv", *ARGUMENTS, "--force")
    monkeypatch.undo()
    assert ended.code != 0
    assert contents(here) == before


def _latin(folder: Path) -> list[str]:
    text = (
        people(240)
        .drop("_row", "_key")
        .with_columns(pl.col("job").str.replace("smith", "Schmied für Öfen"))
    )
    file = folder / "Leute (1).csv"
    file.write_bytes(text.write_csv(separator=";").encode("latin-1"))
    return [str(file)]


def _parquet(folder: Path) -> list[str]:
    people(240).drop("_row", "_key").write_parquet(folder / "people.parquet")
    return [str(folder / "people.parquet")]


def _sqlite(folder: Path) -> list[str]:
    table = people(240).drop("_row", "_key")
    with sqlite3.connect(folder / "shop.db") as database:
        names = ", ".join(table.columns)
        database.execute(f"CREATE TABLE people ({names})")
        marks = ", ".join("?" * table.width)
        database.executemany(f"INSERT INTO people VALUES ({marks})", table.rows())  # noqa: S608
    database.close()
    return [f"sqlite:///{folder / 'shop.db'}", "--query", "SELECT * FROM people ORDER BY rowid"]


@pytest.mark.parametrize(
    ("source", "name", "ingest"),
    [
        (
            _latin,
            "leute-1",
            {"source": "raw/Leute (1).csv", "separator": ";", "encoding": "cp1252"},
        ),
        (_parquet, "people", {"source": "raw/people.parquet"}),
        (_sqlite, "shop", {"source": "raw/shop.parquet"}),
    ],
)
def test_files_of_other_kinds(
    base: Path, tmp_path: Path, source: Any, name: str, ingest: dict[str, str]
) -> None:
    root = tmp_path / "repository"
    shutil.copytree(base, root, symlinks=True)
    arguments = [*source(tmp_path), "--target", "income", "--no-sensitive", "made up"]
    ended = hallmark(root, "init", *arguments)
    assert ended.code == 0, ended.err
    check_project(root, name)
    found = project(root, name)
    assert found["ingest"] == ingest
    assert found["columns"]["no_sensitive"] == "made up"
    assert not any(rule.get("by") for rule in found["gate"]["rules"])
    assert f"{name}: nothing to do" in hallmark(root, "init", *arguments).out


def test_a_number_has_gates_of_numbers(base: Path, tmp_path: Path) -> None:
    table = task_people("regression", 240).drop("_row", "_key", "income")
    table.write_csv(tmp_path / "wages.csv")
    root = tmp_path / "repository"
    shutil.copytree(base, root, symlinks=True)
    arguments = ["--target", "wage", "--sensitive", "sex"]
    ended = hallmark(root, "init", str(tmp_path / "wages.csv"), *arguments)
    assert ended.code == 0, ended.err
    check_project(root, "wages")
    rules = project(root, "wages")["gate"]["rules"]
    assert [rule["measure"] for rule in rules][:2] == ["r2", "mean_absolute_error"]
    assert any(rule["measure"] == "mean_residual_difference" for rule in rules)


def test_a_suspected_leak_is_no_feature_until_a_person_says_so(base: Path, tmp_path: Path) -> None:
    table = people(240).drop("_row", "_key")
    table.with_columns(paid=pl.col("income").replace({"high": "1", "low": "0"})).write_csv(
        tmp_path / "leaking.csv"
    )
    arguments = ["--target", "income", "--positive", "high", "--no-sensitive", "made up"]
    ended = hallmark(base, "init", str(tmp_path / "leaking.csv"), *arguments, "--dry-run")
    assert ended.code == 0, ended.err
    assert "paid    drop" in ended.out
    assert "! paid alone gives the target" in ended.out
    assert "move it to the features" in ended.out
    limit = re.search(r"gate: roc_auc ≥ ([\d.]+)", ended.out)
    assert limit is not None
    assert float(limit[1]) < 0.9  # it was found without the leak


def test_what_is_to_be_left_out_is_dropped_before_anything_is_found(base: Path) -> None:
    ended = hallmark(base, "init", "../people.csv", *ARGUMENTS, "--drop", "job, hours", "--dry-run")
    assert ended.code == 0, ended.err
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["job", "drop", "left", "out"] in [row[:4] for row in rows]
    assert ["hours", "drop", "left", "out"] in [row[:4] for row in rows]


def test_a_named_task_is_what_is_predicted(base: Path, tmp_path: Path) -> None:
    ended = hallmark(
        base, "init", "../people.csv", "--target", "income", "--task", "multiclass", "--dry-run"
    )
    assert ended.code == 0, ended.err
    assert "predicts income (multiclass): 2 classes, as --task says" in ended.out


def test_without_a_word_on_groups_the_screen_and_the_file_ask_for_it(
    base: Path, tmp_path: Path
) -> None:
    ended = hallmark(base, "init", "../people.csv", "--target", "income", "--dry-run")
    assert ended.code == 0
    assert "no sensitive column was named" in ended.out
    assert "# NAME the columns whose groups are compared" in ended.out
    assert "# sensitive: [" in ended.out


@pytest.mark.parametrize(
    ("arguments", "found", "hint"),
    [
        (["nobody.csv", "--target", "income"], "expected the file nobody.csv, found none", ""),
        ([".", "--target", "income"], "expected a file, . is a folder", "csv, parquet or Excel"),
        (
            ["../people.csv", "--target", "incme"],
            "--target: expected a column of people.csv, got 'incme'",
            "did you mean `income`?",
        ),
        (
            ["../people.csv", "--target", "income", "--sensitive", "sx"],
            "--sensitive: expected a column of people.csv, got 'sx'",
            "did you mean `sex`?",
        ),
        (
            ["../people.csv", "--target", "income", "--sensitive", "income"],
            "--sensitive: expected other columns than the target",
            "is no group",
        ),
        (
            ["../people.csv", "--target", "income", "--sensitive", "sex", "--no-sensitive", "-"],
            "expected `--sensitive` or `--no-sensitive`, got both",
            "say why there is none",
        ),
        (
            ["../people.csv", "--target", "income", "--drop", "jobb"],
            "--drop: expected a column of people.csv, got 'jobb'",
            "did you mean `job`?",
        ),
        (
            ["../people.csv", "--target", "income", "--sensitive", "sex", "--drop", "sex"],
            "--drop: expected other columns than the target and the sensitive ones, got 'sex'",
            "or it is used",
        ),
        (
            ["../people.csv", "--target", "income", "--no-sensitive", " "],
            "--no-sensitive: expected the reason",
            "for instance",
        ),
        (
            ["../people.csv", "--target", "income", "--name", "My Data"],
            "--name: expected a name of a project, got 'My Data'",
            "lower-case letters and digits",
        ),
        (
            ["../people.csv", "--target", "income", "--name", "store"],
            "--name: expected another name than 'store'",
            "lower-case",
        ),
        (
            ["sqlite:///shop.db", "--target", "income"],
            "expected `--query` beside a database, found none",
            "SELECT",
        ),
        (
            ["https://example.org/people.csv", "--target", "income"],
            "expected a file on this machine",
            "download it first",
        ),
        (
            ["https://me:secret@example.org/people.csv", "--target", "income"],
            "expected a file on this machine, got https://***@example.org/people.csv",
            "download it first",
        ),
        (
            ["postgresql://me:secret@localhost", "--query", "SELECT 1", "--target", "income"],
            "--name: expected a name, found none in the file's name",
            "for instance --name",
        ),
        (
            ["../people.csv", "--target", "income", "--task", "regression"],
            "--task regression: expected numbers in the target 'income'",
            "leave --task out",
        ),
        (
            ["../people.csv", "--target", "job", "--task", "binary"],
            "--task binary: expected two values of the target 'job', or `--positive`",
            "which one is sought",
        ),
        (
            ["../people.csv", "--target", "income", "--positive", "rich"],
            "--positive rich: expected a value of the target 'income'",
            "give one of them",
        ),
    ],
)
def test_bad_input_is_told_in_words(
    base: Path, arguments: list[str], found: str, hint: str
) -> None:
    before = contents(base)
    ended = hallmark(base, "init", *arguments)
    assert ended.code == 2
    assert found in ended.err
    assert hint in ended.err
    assert "Traceback" not in ended.err
    assert "secret" not in ended.err
    assert contents(base) == before


def test_8_a_bomb_is_refused_in_words_and_leaves_nothing(base: Path, tmp_path: Path) -> None:
    before = contents(base)
    bomb = tmp_path / "people.csv.gz"
    bomb.write_bytes(gzip.compress(b"a,income\n" + b"1,low\n2,high\n" * 6_000_000))
    ended = hallmark(base, "init", str(bomb), "--target", "income")
    assert ended.code == 2
    assert "ingest.max_ratio: expected people.csv.gz to unpack to at most 200 times" in ended.err
    assert contents(base) == before


def test_10_a_file_elsewhere_and_a_link_to_one_become_a_copy(base: Path, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(base.parent / "people.csv")
    ended = hallmark(base, "init", str(tmp_path / "link.csv"), *ARGUMENTS, "--dry-run")
    assert ended.code == 0, ended.err
    assert "external" not in ended.out


def test_help_teaches_by_examples(base: Path) -> None:
    ended = hallmark(base, "init", "--help")
    assert 'hallmark init people.csv --target income --positive ">50K"' in ended.out
    assert "nothing to do" in ended.out
