"""Nothing in `pipeline/` and `flows/` names a column of a data set; planted names are found."""

import shutil
from pathlib import Path

import pytest

from tests.contract.column_names import EXEMPT_FILES, column_names, problems
from tests.people import write_yaml

ALLOWED: dict[tuple[str, str], str] = {}
"""Names of columns that also are words of the code, by file and name, each with what they mean
there."""


@pytest.fixture
def adult(root: Path, tmp_path: Path) -> Path:
    """A repository without code, with the columns of Adult."""
    (tmp_path / "data/adult").mkdir(parents=True)
    shutil.copy(root / "data/adult/project.yaml", tmp_path / "data/adult/project.yaml")
    return tmp_path


def test_no_column_is_named(root: Path) -> None:
    assert list(problems(root, ALLOWED)) == []
    assert all(reason.strip() for reason in (*ALLOWED.values(), *EXEMPT_FILES.values()))


def test_names_are_those_of_every_role(root: Path) -> None:
    assert {"income", "hours-per-week", "workclass", "race", "fnlwgt"} <= column_names(root)


@pytest.mark.parametrize(
    ("file", "line", "name"),
    [
        ("pipeline/clean/stage.py", 'TARGET = "income"', "income"),
        ("pipeline/clean/stage.py", 'def f(t): return t["age"]', "age"),
        ("pipeline/clean/stage.py", 'def f(t): return t.drop(["id", "fnlwgt"])', "fnlwgt"),
        ("pipeline/clean/stage.py", "def f(t): return t.filter(pl.col.race == 1)", "race"),
        ("pipeline/clean/stage.py", "def f(t): return t.with_columns(sex=1)", "sex"),
        (
            "pipeline/core/settings/modality.py",
            'NAME = f"{1} " f"{2}" "" or f"{3}education"',
            "education",
        ),
        ("flows/graph/plan.py", "NAMES = {'hours-per-week': 40}", "hours-per-week"),
        ("flows/stack/status_page.html.j2", "{{ row.workclass }}", "workclass"),
        (
            "pipeline/report/page.html.j2",
            "{% if row['marital-status'] %}{% endif %}",
            "marital-status",
        ),
        ("pipeline/service/page.html", '<input name="occupation">', "occupation"),
    ],
)
def test_a_planted_name_is_found(adult: Path, file: str, line: str, name: str) -> None:
    (adult / file).parent.mkdir(parents=True)
    (adult / file).write_text(f"\n{line}\n", encoding="utf-8")
    (found,) = problems(adult, ALLOWED)
    assert found == f"{file}:2: {name!r}"


def test_examples_in_docstrings_and_longer_texts_may_name_one(adult: Path) -> None:
    lines = '"""Such as\n`age`."""\nHINT = "such as `age: [25, 45]` of project adult"\n'
    (adult / "pipeline/clean").mkdir(parents=True)
    (adult / "pipeline/clean/stage.py").write_text(lines)
    assert list(problems(adult, ALLOWED)) == []


def test_a_word_of_the_code_needs_a_reason_and_is_no_column(tmp_path: Path) -> None:
    columns = {"target": "target", "positive": "1", "numeric": ["size"]}
    write_yaml(tmp_path / "data/shop/project.yaml", {"columns": columns})
    (tmp_path / "pipeline").mkdir()
    stage = tmp_path / "pipeline/stage.py"
    stage.write_text('ROLE = "target"\n')
    allowed = {("pipeline/stage.py", "target"): "the role's key in project.yaml"}
    assert list(problems(tmp_path, {})) == ["pipeline/stage.py:1: 'target'"]
    assert list(problems(tmp_path, allowed)) == []
    stage.write_text('ROLE = "target"\nSIZE = pl.col("target")\n')
    assert list(problems(tmp_path, allowed)) == ["pipeline/stage.py:2: 'target'"]
    stage.write_text("ROLE = 1\n")
    assert list(problems(tmp_path, allowed)) == [
        "pipeline/stage.py: allowed, but not there: 'target'"
    ]
