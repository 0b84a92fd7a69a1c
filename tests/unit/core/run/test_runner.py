"""A run's exit code, its record, and what is printed."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import GateRefused, ProjectError
from pipeline.core.run.runner import main, read_record
from pipeline.core.run.told import GPU, tell
from pipeline.core.settings.typed_settings import Frozen
from tests.people import make_project


def stage_that(raises: BaseException | None) -> types.ModuleType:
    module = types.ModuleType("pipeline.gate.stage")

    def run(project: Any, paths: Any) -> None:
        if raises is not None:
            raise raises

    class Settings(Frozen):
        rules: tuple[Any, ...] = ()

    module.Settings, module.SECTIONS, module.run = Settings, (), run  # type: ignore[attr-defined]
    return module


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALLMARK_RUN_DIR", str(tmp_path / "records"))
    return tmp_path


OUTCOMES: dict[str, tuple[BaseException | None, int, str | None]] = {
    "well": (None, 0, None),
    "bad input": (ProjectError("expected a, got b", hint="change c"), 2, "ProjectError"),
    "refused": (GateRefused("the gap is too wide"), 3, "GateRefused"),
    "our bug": (RuntimeError("oh no"), 1, "RuntimeError"),
    "interrupted": (KeyboardInterrupt(), 130, "Interrupted"),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_exit_code_record_and_text(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    outcome: str,
) -> None:
    error, code, name = OUTCOMES[outcome]
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(error))
    assert main(["gate", "people"]) == code
    record = json.loads((root / "records/gate@people.json").read_text())
    assert (record["stage"], record["project"], record["exit_code"]) == ("gate", "people", code)
    assert (record["error"] or {"class": None})["class"] == name
    printed = capfd.readouterr().err
    assert "Traceback" not in printed
    assert bool(printed) == (code != 0)
    if outcome == "bad input":
        text = "expected a, got b\n  hint: change c"
        assert record["error"] == {"class": "ProjectError", "message": text}
        assert printed == f"gate@people: ProjectError: {text}\n"
    if outcome == "our bug":
        assert "oh no" in record["error"]["traceback"]


def test_a_record_says_what_the_run_cost(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(None))
    main(["gate", "people"])
    record = read_record(root / "records/gate@people.json")
    cost = record["cost"]
    assert 0 <= cost["wall_s"] < 60
    assert cost["cpu_s"] > 0
    assert 10_000_000 < cost["peak_memory_bytes"] < 10**12
    assert record["started"].endswith("+00:00")


def test_the_gpu_of_a_worker_is_told_as_the_stage_s(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that records has used none itself."""
    gpu = {"device": "NVIDIA H100", "num_devices": 2, "peak_gpu_memory_bytes": 10**9}
    stage = stage_that(None)
    monkeypatch.setattr(stage, "run", lambda *_: tell(GPU, gpu))
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage)
    main(["gate", "people"])
    record = read_record(root / "records/gate@people.json")
    assert gpu.items() <= record["cost"].items()
    assert GPU not in record


def test_without_a_build_the_record_gets_a_folder_of_its_own(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HALLMARK_RUN_DIR")
    monkeypatch.setitem(sys.modules, "pipeline.gate.stage", stage_that(None))
    main(["gate", "people"])
    assert len(list((root / ".local/runs").glob("*/gate@people.json"))) == 1


@pytest.mark.parametrize("arguments", [[], ["gate"], ["gate", "people", "more"]])
def test_usage(root: Path, capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert capfd.readouterr().err == "usage: python -m pipeline STAGE PROJECT\n"
    assert not (root / "records").exists()


def test_an_unknown_stage_is_named_with_the_nearest(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["trian", "people"]) == 2
    printed = capfd.readouterr().err
    assert "expected a stage, got 'trian'" in printed
    assert "did you mean `train`?" in printed
    assert not (root / "records").exists()


def test_an_unknown_project_is_recorded_without_a_traceback(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "peple"]) == 2
    assert "did you mean `people`?" in capfd.readouterr().err
    assert read_record(root / "records/ingest@peple.json")["error"]["class"] == "ProjectError"


def test_a_stage_that_left_no_record_has_an_empty_one(tmp_path: Path) -> None:
    assert read_record(tmp_path / "none.json") == {}
    (tmp_path / "half.json").write_text('{"stage": ')
    assert read_record(tmp_path / "half.json") == {}
    (tmp_path / "noise.json").write_bytes(b"\xff\xfe{")
    assert read_record(tmp_path / "noise.json") == {}
