"""A small sound repository, and what the command line says when one thing in it is broken."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.cli.main import main
from pipeline.core.settings.graph_file import graph_text

HERE = Path(__file__).parents[2]
HEADER = "age,hours,job,sex,note,income\n"
ROWS = "".join(
    f"{20 + number},{30 + number % 9},{job},{sex},-,{income}\n"
    for number, (job, sex, income) in enumerate(
        [("clerk", "female", "low"), ("smith", "male", "high"), ("nurse", "female", "high")] * 4
    )
)
PARAMS = "projects:\n  people:\n    modality: tabular\n"
PROJECT = """\
about:
  question: Is it high?
  use: Tests alone.
  source: made up
  licence: none
  population: nobody
columns:
  target: income
  positive: high
  numeric: [age, hours]
  categorical: [job]
  sensitive: [sex]
  drop:
    note: free text
ingest:
  source: raw/people.csv
validate: {}
clean:
  rules:
    - name: numbers
      rule: cast
      columns: {age: integer, hours: integer}
split: {}
audit: {}
balance: {}
train:
  max_epochs: 4
calibrate: {}
evaluate: {}
assess: {}
explain: {}
gate:
  rules:
    - {measure: roc_auc, at_least: 0.5}
    - {measure: demographic_parity_difference, by: sex, at_most: 0.1}
report: {}
package: {}
rehearse: {}
"""
CONTRACT = """\
{
  "delivered": {"name": "people, delivered", "expectations": [
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "job"},
     "severity": "critical", "meta": {"notes": "Everybody has one."}}
  ]},
  "prepared": {"name": "people, prepared", "expectations": [
    {"type": "expect_column_values_to_be_between", "severity": "critical",
     "kwargs": {"column": "age", "min_value": 18}, "meta": {"notes": "Adults alone."}}
  ]}
}
"""


@dataclass(frozen=True)
class Repository:
    """A repository with one project, and its files by the names that tests use."""

    root: Path

    @property
    def raw(self) -> Path:
        return self.root / "data/people/raw/people.csv"

    @property
    def project(self) -> Path:
        return self.root / "data/people/project.yaml"

    @property
    def contract(self) -> Path:
        return self.root / "data/people/contract.json"

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"


@dataclass(frozen=True)
class Broken:
    """A broken input and what a person reads.

    Attributes:
        breaks: Breaks the repository.
        first: The first line that is printed, whole.
        hint: Its hint, whole.
        findings: The findings between the two.
    """

    breaks: Callable[[Repository], object]
    first: str
    hint: str
    findings: tuple[str, ...] = ()


def make(root: Path) -> Repository:
    """A repository in which nothing is broken."""
    made = Repository(root)
    made.raw.parent.mkdir(parents=True)
    made.raw.write_text(HEADER + ROWS, encoding="utf-8")
    made.project.write_text(PROJECT, encoding="utf-8")
    made.contract.write_text(CONTRACT, encoding="utf-8")
    made.params.write_text(PARAMS, encoding="utf-8")
    shutil.copy(HERE / "dvc.yaml", root / "dvc.yaml")
    (root / "graph.yaml").write_text(graph_text("people", "tabular", "."))
    (root / ".dvc").mkdir()
    return made


def as_clone(made: Repository) -> Repository:
    """A repository of git and DVC as well: what `build` and `why` need once nothing is wrong."""
    subprocess.run(["git", "init", "--quiet"], cwd=made.root, check=True)
    (made.root / ".dvc/config").write_text("")
    return made


def said(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run `hallmark WORDS…` in this process; its exit code and what stands on standard error."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code, capfd.readouterr().err.replace(f"{Path.cwd()}/", "")


def check(case: Broken, code: int, text: str) -> None:
    """The first line and the hint are these, the exit code is that of bad input."""
    lines = text.splitlines()
    assert code == 2, text
    assert lines[0] == case.first
    assert lines[-1] == f"  hint: {case.hint}"
    assert lines[1:-1] == [f"  - {finding}" for finding in case.findings]


def edit(file: str, before: str, after: str) -> Callable[[Repository], object]:
    """Replace one place of a text file of the repository."""

    def breaks(made: Repository) -> None:
        target: Path = getattr(made, file)
        content = target.read_text(encoding="utf-8")
        assert content.count(before) == 1, before
        target.write_text(content.replace(before, after), encoding="utf-8")

    return breaks


def whole(file: str, content: str | bytes) -> Callable[[Repository], object]:
    """Replace a file's whole content."""

    def breaks(made: Repository) -> None:
        target: Path = getattr(made, file)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    return breaks


def gone(file: str) -> Callable[[Repository], object]:
    """Take a file away."""
    return lambda made: getattr(made, file).unlink()
