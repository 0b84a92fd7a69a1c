"""The closing lines of a build: they speak of what this build reached, and of nothing older."""

from pathlib import Path

import pytest

from flows.cli.views import line_of
from flows.costs.stage_costs import Cost
from flows.engine.build_record import Outcome, read_rehearsal, read_verdict
from flows.engine.stage_run import StageError, StageResult, State
from flows.engine.summary import closing, rehearsal_lines, verdict_lines
from pipeline.core.files import write_json, write_text
from pipeline.core.paths import Paths

REHEARSAL = {
    "outcome": "fail",
    "num_rows": 500,
    "max_abs_difference": 1.25e-8,
    "latency_ms": {
        "single": {"p50": 2.04, "p95": 3.0, "p99": 9.96},
        "batch": {"p50": 8.0, "p95": 9.0, "p99": 9.5},
    },
    "checks": [
        {"name": "bad request: not JSON", "outcome": "pass", "expected": "400", "found": "400"},
        {"name": "bad request: too long", "outcome": "fail", "expected": "413", "found": "500"},
        {"name": "start-up", "outcome": "pass", "expected": "at most 60 s", "found": "4.1 s"},
    ],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout in which an earlier build left all that there is to tell of."""
    write_json(Paths(tmp_path, "tiny", "evaluate").output("metrics.json"), {"accuracy": 0.9})
    write_json(Paths(tmp_path, "tiny", "gate").output("verdict.json"), {"outcome": "pass"})
    write_text(Paths(tmp_path, "tiny", "report").output("report.html"), "<p>")
    write_text(Paths(tmp_path, "tiny", "package").output("bento/bento.yaml"), "{}")
    write_json(Paths(tmp_path, "tiny", "rehearse").output("report.json"), REHEARSAL)
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
        rehearsal=read_rehearsal(root, "tiny", stages),
    )
    lines = [line for line in closing(root, "tiny", outcome) if not line.startswith(" ")]
    return [line.partition(":")[0] for line in lines]


def test_a_build_up_to_clean_says_nothing_of_older_results(root: Path) -> None:
    assert headings(root, ingest="ran", clean="ran") == []


def test_a_stage_that_was_skipped_has_no_result(root: Path) -> None:
    skipped: dict[str, State] = dict.fromkeys(
        ("evaluate", "gate", "report", "package", "rehearse"), "skipped"
    )
    assert headings(root, ingest="ran", **skipped) == []


@pytest.mark.parametrize("state", ["ran", "restored"])
def test_a_whole_build_says_all(root: Path, state: State) -> None:
    found = headings(root, evaluate=state, gate=state, report=state, package=state, rehearse=state)

    told = [name for name in found if name != "the cache saved"]
    assert told == ["verdict", "metrics", "rehearsal", "report", "bento"]


def test_each_result_is_told_by_its_own_stage(root: Path) -> None:
    assert headings(root, evaluate="ran") == ["metrics"]
    assert headings(root, gate="ran") == ["verdict"]
    assert headings(root, report="ran") == ["report"]
    assert headings(root, package="ran") == ["bento"]
    assert headings(root, rehearse="ran") == ["rehearsal"]


def test_a_failed_rehearsal_names_what_did_not_pass() -> None:
    assert rehearsal_lines(REHEARSAL) == [
        "rehearsal: failed, 500 rows replayed, at most 1e-08 from the offline probabilities; "
        "p50 2.0 ms, p99 10.0 ms; 1 of 2 bad requests answered as they must be",
        "  ✗ bad request: too long: expected 413, found 500",
    ]


def test_a_service_that_never_answered_has_no_figures() -> None:
    checks = [{"name": "start", "outcome": "fail", "expected": "ready", "found": "it ended"}]
    rehearsal = {"outcome": "fail", "max_abs_difference": None, "checks": checks}

    assert rehearsal_lines(rehearsal) == [
        "rehearsal: failed",
        "  ✗ start: expected ready, found it ended",
    ]


def test_a_refusal_reads_as_one(root: Path) -> None:
    message = "expected a verdict that passed, found fail\n  hint: hallmark build tiny"
    refused = StageResult("package", "refused", error=StageError("GateRefused", message, 3))
    outcome = Outcome(root / "runs", (refused,), None, Cost(), Cost(), 0, 3)

    assert closing(root, "tiny", outcome) == [f"package@tiny refused: {message}"]
    shown = " ".join(line_of(refused).split())
    assert shown == "package refused expected a verdict that passed, found fail"


def test_a_verdict_says_what_training_took_once() -> None:
    cut, cheap = "Training was cut short.", {"sentence": "The baseline takes 1/500 and is as good."}
    verdict = {"outcome": "pass", "cut_short": cut, "cheap_model": cheap, "rules": []}
    assert verdict_lines(verdict)[1:] == [f"  {cut}", f"  {cheap['sentence']}"]
    rules = [
        {"outcome": "fail", "sentence": cut, "rule": "training not cut short"},
        {"outcome": "pass", "sentence": "It is worse.", "rule": "r", "against": "baseline"},
    ]
    ruled = verdict_lines({**verdict, "rules": rules})
    assert len([line for line in ruled if cut in line]) == 1
    assert not [line for line in ruled if "1/500" in line]
