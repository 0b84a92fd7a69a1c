"""The closing lines of a build: they speak of what this build reached, and of nothing older."""

from pathlib import Path

import pytest

from flows.build_record import Outcome, read_verdict
from flows.costs import Cost
from flows.stage_run import StageResult, State
from flows.summary import closing
from pipeline.core.files import write_json, write_text
from pipeline.core.paths import Paths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout in which an earlier build left metrics, a verdict and a report."""
    write_json(Paths(tmp_path, "tiny", "evaluate").output("metrics.json"), {"accuracy": 0.9})
    write_json(Paths(tmp_path, "tiny", "gate").output("verdict.json"), {"outcome": "pass"})
    write_text(Paths(tmp_path, "tiny", "report").output("report.html"), "<p>")
    return tmp_path


def headings(root: Path, **states: State) -> list[str]:
    """How the closing lines begin, of a build whose stages ended in these states."""
    stages = tuple(StageResult(name, state) for name, state in states.items())
    outcome = Outcome(
        folder=root / "runs",
        stages=stages,
        verdict=read_verdict(root, "tiny", stages),
        spent=Cost(),
        saved=Cost(),
        num_unknown=0,
        exit_code=0,
    )
    return [line.partition(":")[0] for line in closing(root, "tiny", outcome)]


def test_a_build_up_to_clean_says_nothing_of_older_results(root: Path) -> None:
    assert headings(root, ingest="ran", clean="ran") == []


def test_a_stage_that_was_skipped_has_no_result(root: Path) -> None:
    assert headings(root, ingest="ran", evaluate="skipped", gate="skipped", report="skipped") == []


@pytest.mark.parametrize("state", ["ran", "restored"])
def test_a_whole_build_says_all(root: Path, state: State) -> None:
    found = headings(root, evaluate=state, gate=state, report=state)

    assert [name for name in found if name != "the cache saved"] == ["verdict", "metrics", "report"]


def test_each_result_is_told_by_its_own_stage(root: Path) -> None:
    assert headings(root, evaluate="ran") == ["metrics"]
    assert headings(root, gate="ran") == ["verdict"]
    assert headings(root, report="ran") == ["report"]
