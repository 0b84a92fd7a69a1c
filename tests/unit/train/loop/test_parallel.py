"""train in two processes: as in one, and they are replaced, resumed and ended together."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from pipeline.core.errors import ArtifactMissing, PipelineError, ProjectError
from pipeline.core.run.runner import main, run_stage
from pipeline.train.loop import parallel
from tests.conftest import ROOT, made_once
from tests.people import SETTINGS, make_project, set_section, write_parts

LOSS_TOLERANCE = 2e-5
"""Of a point of the curve: two halves of a sum are added in another order than one whole."""
TRAIN = {**SETTINGS["train"], "max_epochs": 60, "patience": 60}
TRAIN["network"] = {**TRAIN["network"], "dropout": 0.0}


def make(root: Path, num_processes: int) -> Path:
    write_parts(make_project(root, train={**TRAIN, "num_processes": num_processes}))
    return root


def trained(num_processes: int) -> Callable[[Path], None]:
    def train(folder: Path) -> None:
        run_stage(make(folder / "root", num_processes), "train", "people")

    return train


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a project that two processes trained. Read only."""
    return made_once(tmp_path_factory, "two-processes", trained(2)) / "root"


def outputs(root: Path) -> Path:
    return root / "data/people/40_train"


def curve(root: Path) -> list[dict[str, float]]:
    lines = (outputs(root) / "curves.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_curve_and_the_weights_are_those_of_one_process(two: Path, tmp_path: Path) -> None:
    one = make(tmp_path / "one", 1)
    run_stage(one, "train", "people")
    assert [point["epoch"] for point in curve(two)] == list(range(1, 61))
    for alone, shared in zip(curve(one), curve(two), strict=True):
        assert alone == pytest.approx(shared, abs=LOSS_TOLERANCE)
    expected = load_file(outputs(one) / "weights.safetensors")
    found = load_file(outputs(two) / "weights.safetensors")
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-3)


@pytest.mark.slow
def test_what_a_worker_refuses_the_stage_refuses(tmp_path: Path) -> None:
    root = make(tmp_path, 2)
    (root / "data/people/25_split/validation.parquet").unlink()
    with pytest.raises(ArtifactMissing, match=r"expected the file .*validation.parquet"):
        run_stage(root, "train", "people")


def failures(**codes: int) -> Any:
    """What torch's launcher raises where workers ended with these exit codes, by rank."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    ended = {
        int(rank.removeprefix("rank")): ProcessFailure(int(rank[-1]), 1, code, "none")
        for rank, code in codes.items()
    }
    return ChildFailedError("worker", ended)


def broken(*_: Any) -> None:
    raise KeyError("no such thing")


@pytest.mark.parametrize("ended_by", [1, -signal.SIGTERM])
def test_a_bug_in_a_worker_is_a_bug_of_the_stage(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    ended_by: int,
) -> None:
    """The launcher's part is played by one that makes the last attempt in this process: a bug in
    number 1, and in number 0, which loses it, what follows from that, or the launcher's signal."""

    def attempts(config: Any, program: str) -> Any:
        def run(*worker: Any) -> None:
            with monkeypatch.context() as patch:
                patch.setenv("TORCHELASTIC_RESTART_COUNT", "3")
                for fault in (broken, lambda *_: 1 / 0):
                    patch.setattr("pipeline.core.run.runner.run_stage", fault)
                    assert parallel._attempt(tmp_path, "train", "people", Path(worker[-1])) == 1
            raise failures(rank0=ended_by, rank1=1)

        return run

    make(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALLMARK_RUN_DIR", str(tmp_path / "records"))
    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", attempts)
    assert main(["train", "people"]) == 1
    error = json.loads((tmp_path / "records/train@people.json").read_text())["error"]
    assert error["class"] == "KeyError"
    assert "this is a bug of ours" in error["message"]
    assert "records/train@people.traceback.txt" in error["message"]
    kept = (tmp_path / "records/train@people.traceback.txt").read_text()
    for text in (kept, error["traceback"]):
        assert "in broken" in text
        assert "no such thing" in text
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_that_was_killed_is_no_bug_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "3")
    monkeypatch.setattr("pipeline.core.run.runner.run_stage", broken)
    parallel._attempt(tmp_path, "train", "people", tmp_path)
    found = parallel._failure("train", tmp_path, failures(rank0=1, rank1=-9))
    assert isinstance(found, PipelineError)
    assert "they failed 4 times" in str(found)


@pytest.mark.slow
def test_a_bug_in_real_workers_is_told_once_with_its_traceback(tmp_path: Path) -> None:
    root, folder = make(tmp_path / "root", 2), tmp_path / "first"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os\n"
        "if 'TORCHELASTIC_RUN_ID' in os.environ:\n"
        "    import pipeline.core.run.runner as runner\n"
        "    runner.run_stage = lambda *_: {}['no such thing']\n"
    )
    paths = {"PYTHONPATH": f"{folder}:{ROOT}", "HALLMARK_RUN_DIR": str(tmp_path / "records")}
    stage = Stage(root, **paths)
    code, text = stage.ended()
    assert code == 1, text
    assert text.count("train@people: KeyError: ") == 1
    assert "no such thing" in (tmp_path / "records/train@people.traceback.txt").read_text()


@pytest.mark.slow
def test_all_workers_count_for_the_first_one_and_for_the_record(tmp_path: Path) -> None:
    """Each takes two seconds of processor time and 100 MB; the first sees the other's."""
    root, folder = make(tmp_path / "root", 2), tmp_path / "first"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        """
import os
if "TORCHELASTIC_RUN_ID" in os.environ:
    import time
    import pipeline.core.run.runner as runner
    from pipeline.core.run.processor import of_other_workers
    from pipeline.core.run.told import tell
    def work(*_):
        held = bytearray(b"x" * 100_000_000)
        while time.process_time() < 2:
            pass
        if os.environ["RANK"] == "0":
            while of_other_workers()[0] < 1.9 or of_other_workers()[1] < 1e8:
                time.sleep(0.1)
            tell("others", {"seconds": of_other_workers()[0]})
        else:
            while not os.path.exists("seen"):
                time.sleep(0.1)
        open("seen", "w").close()
    runner.run_stage = work
"""
    )
    paths = {"PYTHONPATH": f"{folder}:{ROOT}", "HALLMARK_RUN_DIR": str(tmp_path / "records")}
    code, text = Stage(root, **paths).ended()
    assert code == 0, text
    record = json.loads((tmp_path / "records/train@people.json").read_text())
    assert record["others"]["seconds"] >= 1.9
    assert record["cost"]["cpu_s"] >= 4


def test_a_mitigation_that_compares_whole_batches_is_refused(tmp_path: Path) -> None:
    root = make(tmp_path, 2)
    set_section(root, "train", {**TRAIN, "num_processes": 2, "mitigation": {"strength": 0.5}})
    with pytest.raises(ProjectError, match="expected `num_processes: 1` with `mitigation`"):
        run_stage(root, "train", "people")


class Stage:
    """The stage as DVC starts it, a process that leads a group of its own."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "train", "people"],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def workers(self) -> list[psutil.Process]:
        return workers(self.root)

    def wait_for_epoch(self, epoch: int) -> None:
        def reached() -> bool:
            file = outputs(self.root) / "curves.jsonl"
            return file.exists() and file.read_text().count("\n") >= epoch

        wait_until(reached)

    def ended(self) -> tuple[int, str]:
        _, text = self.process.communicate(timeout=120)
        return self.process.returncode, text


def workers(root: Path) -> list[psutil.Process]:
    """The living workers of a repository, by rank."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        if {"pipeline.train.loop.parallel", str(root)} <= set(process.info["cmdline"] or []):
            with contextlib.suppress(psutil.Error, OSError, KeyError):  # it ends just now
                found[process.environ()["RANK"]] = process
    return [found[rank] for rank in sorted(found)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def same_weights(root: Path, other: Path) -> bool:
    files: list[Any] = [outputs(one) / "weights.safetensors" for one in (root, other)]
    return files[0].read_bytes() == files[1].read_bytes() and curve(root) == curve(other)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_is_replaced_and_the_weights_are_the_same(
    two: Path, tmp_path: Path, rank: int
) -> None:
    stage = Stage(make(tmp_path, 2))
    stage.wait_for_epoch(5)
    first = stage.workers()
    first[rank].kill()
    wait_until(lambda: len(set(stage.workers()) - set(first)) == 2)
    code, text = stage.ended()
    assert code == 0, text
    assert text.count("resuming after epoch") == 1
    assert same_weights(tmp_path, two)
    assert not list((tmp_path / ".local/checkpoints").iterdir())


@pytest.mark.slow
def test_a_killed_group_leaves_nobody_and_is_resumed(two: Path, tmp_path: Path) -> None:
    stage = Stage(make(tmp_path, 2))
    stage.wait_for_epoch(5)
    os.killpg(stage.process.pid, signal.SIGKILL)
    stage.ended()
    wait_until(lambda: workers(tmp_path) == [])
    again = Stage(tmp_path)
    code, text = again.ended()
    assert code == 0, text
    assert "resuming after epoch" in text
    assert same_weights(tmp_path, two)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_a_signal_ends_them_all(tmp_path: Path, number: signal.Signals, code: int) -> None:
    stage = Stage(make(tmp_path, 2))
    stage.wait_for_epoch(3)
    stage.process.send_signal(number)
    assert stage.ended()[0] == code
    assert workers(tmp_path) == []
    assert list((tmp_path / ".local/checkpoints").iterdir())


@pytest.mark.slow
def test_workers_that_are_killed_again_and_again_are_given_up(tmp_path: Path) -> None:
    stage = Stage(make(tmp_path, 2))
    killed: set[psutil.Process] = set()
    while stage.process.poll() is None:
        for worker in stage.workers():
            if worker not in killed:
                killed.add(worker)
                worker.kill()
        time.sleep(0.1)
    code, text = stage.ended()
    assert code == 2
    assert "they failed 4 times; at last number" in text
    assert "ended by signal 9" in text
