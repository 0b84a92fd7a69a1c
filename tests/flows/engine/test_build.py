"""The engine on real DVC and real processes: what runs, what does not, and what is left behind."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from flows.costs.stage_costs import builds
from flows.engine.build import Request, build
from flows.engine.locks import BuildRunningError, build_lock
from flows.engine.stage_run import StageError, explain
from flows.graph.plan import Planner
from pipeline.core.errors import ProjectError
from tests.flows.conftest import Tiny, wait_until

# DVC's own, of a library that it uses.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


class RecordingPool(ThreadPoolExecutor):
    """Remembers which stages it was given."""

    def __init__(self) -> None:
        super().__init__(1)
        self.submitted: list[str] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.submitted.append(args[1])
        return super().submit(fn, *args, **kwargs)


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_nothing_runs_when_all_is_fresh(tiny: Tiny) -> None:
    outcome = tiny.build()

    assert set(tiny.states(outcome).values()) == {"cached"}
    assert outcome.exit_code == 0
    assert not [event for event in tiny.watcher.events if event[0] == "started"]


def test_a_change_runs_what_depends_on_it_and_nothing_else(tiny: Tiny) -> None:
    tiny.set_value("train", 20)

    outcome = tiny.build()

    assert tiny.states(outcome) == {
        "ingest": "cached",
        "clean": "cached",
        "audit": "cached",
        "train": "ran",
        "gate": "ran",
    }
    assert "train 2" in tiny.output("gate").read_text()
    names = [name for kind, name in tiny.watcher.events if kind in ("started", "ran")]
    assert names == ["train", "train", "gate", "gate"]


def test_the_same_bytes_upstream_stop_what_follows(tiny: Tiny) -> None:
    tiny.set_value("clean", 11)

    assert [s.status for s in tiny.plan().steps] == ["fresh", "stale", "waits", "waits", "waits"]
    outcome = tiny.build()

    assert tiny.states(outcome) == {
        "ingest": "cached",
        "clean": "ran",
        "audit": "cached",
        "train": "cached",
        "gate": "cached",
    }


def test_independent_stages_run_side_by_side(tiny: Tiny) -> None:
    """Each of the two ends only after the other has begun."""
    tiny.set_value("audit", 20)
    tiny.set_value("train", 20)
    tiny.order("audit", "meet train")
    tiny.order("train", "meet audit")

    outcome = tiny.build(jobs=2)

    assert tiny.states(outcome)["gate"] == "ran"
    starts = [name for kind, name in tiny.watcher.events if kind == "started"]
    assert set(starts[:2]) == {"audit", "train"}


def test_a_caller_may_run_the_stages_in_a_pool_of_its_own(tiny: Tiny) -> None:
    tiny.set_value("gate", 20)
    pool = RecordingPool()

    outcome = build(Request(tiny.root, "tiny"), tiny.watcher, pool)

    assert tiny.states(outcome)["gate"] == "ran"
    assert pool.submitted == ["gate"]


def test_a_target_builds_only_what_it_reads_from(tiny: Tiny) -> None:
    tiny.set_value("audit", 20)

    outcome = tiny.build(target="train")

    assert list(tiny.states(outcome)) == ["ingest", "clean", "train"]
    assert outcome.verdict is None


def test_what_ran_before_is_restored_and_its_cost_counts_as_saved(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    tiny.build(target="train")
    tiny.set_value("train", 10)

    outcome = tiny.build(target="train")

    assert tiny.states(outcome)["train"] == "restored"
    train = outcome.stages[-1]
    assert train.cost is None
    assert train.saved is not None
    assert train.saved.wall_s == 36.0
    assert outcome.spent.wall_s == 0
    assert outcome.saved.wall_s == 3 * 36.0  # ingest and clean cached, train restored
    assert outcome.num_unknown == 0


def test_savings_without_an_earlier_run_on_record_are_unknown(tiny: Tiny) -> None:
    shutil.rmtree(tiny.runs)

    outcome = tiny.build(target="clean")

    assert outcome.num_unknown == 2
    assert outcome.saved.wall_s == 0


def test_costs_of_a_build_are_summed_and_priced(tiny: Tiny) -> None:
    tiny.set_value("train", 20)

    outcome = tiny.build()

    # Two stages of 36 s, an hundredth of an hour, at 0.50 EUR an hour.
    assert outcome.spent.wall_s == 72.0
    assert outcome.spent.cpu_s == 144.0
    assert outcome.spent.peak_memory_bytes == 1000
    assert outcome.spent.money == pytest.approx(0.01)
    recorded = tiny.last_build()
    assert recorded["totals"]["spent"]["money"] == pytest.approx(0.01)
    assert recorded["totals"]["saved"]["wall_s"] == 108.0
    assert recorded["verdict"] == "pass"
    assert recorded["stages"][3]["reasons"] == ["train.value 10 → 20"]


def test_a_failure_keeps_its_class_message_and_exit_code(tiny: Tiny) -> None:
    tiny.set_value("clean", 20)
    tiny.order("clean", "fail column age is empty")

    outcome = tiny.build()

    assert outcome.exit_code == 2
    assert outcome.failed[0].error == StageError("ContractBreach", "column age is empty", 2)
    assert [tiny.states(outcome)[name] for name in ("audit", "train", "gate")] == ["skipped"] * 3


@pytest.mark.parametrize(("kind", "code"), [("GateRefused", 3), ("ValueError", 1)])
def test_every_exit_code_is_the_stages_own(tmp_path: Path, kind: str, code: int) -> None:
    record = {"exit_code": code, "error": {"class": kind, "message": "no"}}

    assert explain(255, record, tmp_path / "log") == StageError(kind, "no", code)


def test_a_refused_stage_is_no_failure_and_what_follows_is_skipped(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "refuse the budget is spent")

    outcome = tiny.build()

    assert outcome.exit_code == 3
    assert outcome.failed == ()
    assert [result.name for result in outcome.refused] == ["train"]
    assert outcome.refused[0].error == StageError("GateRefused", "the budget is spent", 3)
    assert (tiny.states(outcome)["train"], tiny.states(outcome)["gate"]) == ("refused", "skipped")
    assert ("refused", "train") in tiny.watcher.events
    stages = {stage["name"]: stage["state"] for stage in tiny.last_build()["stages"]}
    assert (stages["train"], stages["gate"]) == ("refused", "skipped")
    assert builds(tiny.runs, "tiny")[0][0].exit_code == 3  # `hallmark cost` reads it


def test_a_failure_counts_before_a_refusal(tiny: Tiny) -> None:
    tiny.set_value("audit", 20)
    tiny.set_value("train", 20)
    tiny.order("audit", "refuse too few rows")
    tiny.order("train", "fail column age is empty")

    outcome = tiny.build(jobs=2)

    assert outcome.exit_code == 2
    assert [result.name for result in outcome.refused] == ["audit"]
    assert [result.name for result in outcome.failed] == ["train"]


REHEARSE = """
  rehearse:
    wdir: ${root}
    cmd: mkdir -p data/tiny/80_rehearse && cp wanted.json data/tiny/80_rehearse/report.json
    deps:
      - wanted.json
      - data/${name}/65_gate/verdict.json
    outs:
      - data/${name}/80_rehearse/report.json
"""


@pytest.mark.parametrize(("found", "code"), [("pass", 0), ("fail", 3)])
def test_a_failed_rehearsal_is_exit_code_3_also_when_cached(
    tiny: Tiny, found: str, code: int
) -> None:
    graph = tiny.root / "dvc.yaml"
    graph.write_text(graph.read_text() + REHEARSE)
    (tiny.root / "wanted.json").write_text(json.dumps({"outcome": found, "checks": []}))

    first, again = tiny.build(), tiny.build()

    assert tiny.states(again)["rehearse"] == "cached"
    assert first.rehearsal is not None
    assert first.rehearsal["outcome"] == found
    assert (first.exit_code, again.exit_code) == (code, code)
    assert tiny.last_build()["rehearsal"] == found
    assert tiny.last_build()["verdict"] == "pass"


def test_a_failure_lets_independent_stages_end(tiny: Tiny) -> None:
    tiny.set_value("audit", 20)
    tiny.set_value("train", 20)
    tiny.order("audit", "fail at once")
    tiny.order("train", "meet audit")

    outcome = tiny.build(jobs=2)

    states = tiny.states(outcome)
    assert (states["audit"], states["train"], states["gate"]) == ("failed", "ran", "skipped")
    assert outcome.exit_code == 2


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_a_killed_stage_is_told_apart_from_a_failed_one(
    tiny: Tiny, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", shell)
    tiny.set_value("train", 20)
    tiny.order("train", "die")

    outcome = tiny.build(target="train")

    error = outcome.failed[0].error
    assert error is not None
    assert (error.kind, error.exit_code) == ("Killed", 137)
    assert "train at work" in error.message


def test_a_stage_without_a_record_shows_its_last_lines(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "vanish")

    error = tiny.build(target="train").failed[0].error

    assert error is not None
    assert (error.kind, error.exit_code) == ("NoRecord", 1)
    assert "vanished without a record" in error.message


def test_a_stage_that_forgets_its_output_failed(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "forget")

    error = tiny.build(target="train").failed[0].error

    assert error is not None
    assert (error.kind, error.exit_code) == ("DvcFailed", 1)
    assert "data/tiny/40_train/out.txt" in error.message


def test_a_missing_source_is_named_before_dvc_is_asked(tiny: Tiny) -> None:
    (tiny.root / "raw.txt").unlink()

    outcome = tiny.build()

    error = outcome.failed[0].error
    assert error is not None
    assert error.exit_code == 2
    assert "expected raw.txt, found none" in error.message
    assert "dvc pull raw.txt" in error.message


def test_a_refusing_verdict_is_exit_code_3_also_when_cached(tiny: Tiny) -> None:
    tiny.set_value("gate", 100)

    assert tiny.build().exit_code == 3
    again = tiny.build()

    assert set(tiny.states(again).values()) == {"cached"}
    assert again.exit_code == 3
    assert tiny.last_build()["verdict"] == "fail"


def test_from_runs_a_fresh_stage_anew_and_its_same_bytes_stop_there(tiny: Tiny) -> None:
    outcome = tiny.build(rerun="clean")

    assert tiny.states(outcome) == {
        "ingest": "cached",
        "clean": "ran",
        "audit": "cached",
        "train": "cached",
        "gate": "cached",
    }
    assert outcome.stages[1].reasons == ("asked for by --from",)


def test_from_a_stage_that_writes_other_bytes_runs_what_follows(tiny: Tiny) -> None:
    tiny.order("clean", "vary otherwise")

    outcome = tiny.build(rerun="clean")

    assert tiny.states(outcome) == {
        "ingest": "cached",
        "clean": "ran",
        "audit": "ran",
        "train": "ran",
        "gate": "ran",
    }
    assert outcome.stages[2].reasons == ("data/tiny/20_clean/out.txt changed",)
    assert "otherwise" in tiny.output("gate").read_text()


def test_from_a_stage_whose_inputs_change_first_runs_it_on_the_new_ones(tiny: Tiny) -> None:
    tiny.set_value("ingest", 20)

    outcome = tiny.build(target="train", rerun="clean")

    assert tiny.states(outcome) == {"ingest": "ran", "clean": "ran", "train": "ran"}
    assert "ingest 2" in tiny.output("train").read_text()


def test_a_plan_takes_a_forced_stage_for_stale(tiny: Tiny) -> None:
    with Planner(tiny.root, "tiny") as planner:
        plan = planner.plan(forced="train")

    statuses = {step.name: step.status for step in plan.steps if step.status != "fresh"}
    assert statuses == {"train": "stale", "gate": "waits"}
    assert [str(reason) for reason in plan["train"].reasons] == ["asked for by --from"]


def test_from_a_stage_outside_the_build_is_refused(tiny: Tiny) -> None:
    with pytest.raises(ProjectError, match="got 'gate'"):
        tiny.build(target="train", rerun="gate")


def pass_deadline_when(monkeypatch: pytest.MonkeyPatch, condition: Callable[[], bool]) -> None:
    """Give the engine a clock that stands still until `condition` holds, then runs out."""
    clock = SimpleNamespace(monotonic=lambda: 1e9 if condition() else 0.0)
    monkeypatch.setattr("flows.engine.build.time", clock)


def test_the_deadline_ends_what_runs(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "sleep 60")
    pass_deadline_when(monkeypatch, lambda: tiny.has_begun("train"))

    outcome = tiny.build(deadline_s=100)

    assert outcome.exit_code == 124
    assert tiny.states(outcome)["train"] == "failed"
    assert tiny.states(outcome)["gate"] == "skipped"
    assert is_gone(tiny.pid("train"))
    assert not list(tiny.runs.glob("*/processes.json"))


def test_a_stage_that_ignores_sigterm_is_killed(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "stubborn")
    pass_deadline_when(monkeypatch, lambda: tiny.has_begun("train", " ready"))

    outcome = tiny.build(target="train", deadline_s=100, grace_s=0.2)

    assert outcome.exit_code == 124
    assert is_gone(tiny.pid("train"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_build_and_all_its_processes(
    tiny: Tiny, number: signal.Signals, code: int
) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "sleep 60")
    process = tiny.start("build", "tiny", "train")
    pid = tiny.pid("train")

    process.send_signal(number)
    output, _ = process.communicate(timeout=150)

    assert process.returncode == code, output
    assert is_gone(pid)
    assert f"interrupted ({number.name})" in output
    recorded = tiny.last_build()
    assert recorded["exit_code"] == code
    assert [s["state"] for s in recorded["stages"]] == ["cached", "cached", "failed"]


def test_when_dvc_is_killed_its_stage_goes_with_it(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "sleep 60")
    process = tiny.start("build", "tiny", "train")
    pid = tiny.pid("train")
    listed = json.loads(next(tiny.runs.glob("*/processes.json")).read_text())

    psutil.Process(listed["stages"][0]["pid"]).kill()
    output, _ = process.communicate(timeout=150)

    assert is_gone(pid)
    assert process.returncode == 137
    assert "signal 9 (SIGKILL) ended it" in output


@pytest.mark.slow
@pytest.mark.parametrize("words", ["sleep 60", "stubborn"])
def test_the_stages_of_a_killed_build_end_by_themselves(tiny: Tiny, words: str) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", words)
    process = tiny.start("build", "tiny", "train")
    pid = tiny.pid("train")

    process.kill()
    process.communicate()

    wait_until(lambda: is_gone(pid))
    tiny.order("train", "work")
    assert tiny.build(target="train").exit_code == 0


@pytest.mark.slow
def test_leftovers_of_a_killed_build_are_ended_by_the_next(tiny: Tiny) -> None:
    tiny.set_value("train", 20)
    tiny.order("train", "sleep 60")
    process = tiny.start("build", "tiny", "train")
    pid = tiny.pid("train")
    listed = json.loads(next(tiny.runs.glob("*/processes.json")).read_text())
    os.kill(listed["stages"][0]["pid"], signal.SIGSTOP)  # so that it does not end by itself
    process.kill()
    process.communicate()
    assert not is_gone(pid)
    tiny.order("train", "work")

    outcome = tiny.build(target="train")

    assert is_gone(pid)
    assert outcome.exit_code == 0
    assert tiny.states(outcome)["train"] == "ran"
    assert "train" in tiny.watcher.notes[0]
    assert not list(tiny.runs.glob("*/processes.json"))


def test_a_process_that_only_has_a_leftovers_number_is_spared(tiny: Tiny) -> None:
    own = psutil.Process()
    folder = tiny.runs / "20000101T000000-1"
    folder.mkdir()
    dead = {"pid": own.pid, "create_time": own.create_time() - 100}
    stage = {**dead, "pgid": own.pid, "stage": "train"}
    (folder / "processes.json").write_text(json.dumps({"build": dead, "stages": [stage]}))

    assert tiny.build().exit_code == 0  # we are still here

    assert tiny.watcher.notes == []


@pytest.mark.parametrize(
    "content",
    ["", '{"write": {"a', '{"write": {"data/tiny/40_train/out.txt": {"pid": 0, "cmd": "dvc"}}}'],
    ids=["empty", "half", "dead"],
)
def test_a_lock_that_a_killed_dvc_left_does_not_block(tiny: Tiny, content: str) -> None:
    """Number 0 is nobody's; the real cases are numbers that were given anew, and zombies."""
    rwlock = tiny.root / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(content)
    tiny.set_value("train", 20)

    assert tiny.build(target="train").exit_code == 0


def test_a_second_build_of_the_checkout_is_refused(tiny: Tiny) -> None:
    with (
        build_lock(tiny.root / ".local", tiny.root, "tiny"),
        pytest.raises(BuildRunningError, match=r"a build of tiny \(process \d+\)"),
    ):
        tiny.build()

    assert tiny.build().exit_code == 0  # the lock went with its holder


def test_dirty_is_what_people_changed_not_what_builds_write(tiny: Tiny) -> None:
    (tiny.root / "data/tiny/champion/champion.json").write_text("{}")
    (tiny.root / "dvc.lock").write_text((tiny.root / "dvc.lock").read_text() + "# touched\n")
    (tiny.root / "data/tiny/40_train/.gitignore").write_text("/out.txt\n/more\n")
    tiny.build()
    assert tiny.last_build()["dirty"] is False

    (tiny.root / "code" / "new.py").write_text("")
    tiny.build()
    assert tiny.last_build()["dirty_files"] == ["code/new.py"]
    assert len(tiny.last_build()["commit"]) == 40


def test_an_edit_that_is_undone_while_the_build_runs_leaves_it_dirty(tiny: Tiny) -> None:
    code = tiny.root / "code" / "train.py"
    before = code.read_text()
    code.write_text(before + "#\n")
    tiny.order("train", "restore code/train.py")
    (tiny.root / "orders" / "train.old").write_text(before)

    tiny.build(target="train")

    assert code.read_text() == before
    assert tiny.last_build()["dirty_files"] == ["code/train.py"]


def test_a_plan_says_what_is_stale_and_what_waits(fresh_clone: Tiny) -> None:
    plan = fresh_clone.plan()

    assert plan["ingest"].status == "stale"
    assert [str(reason) for reason in plan["ingest"].reasons] == ["never run"]
    assert plan["gate"].status == "waits"
    assert plan.waits_for("gate") == ("audit", "train")


def test_an_unknown_target_names_the_nearest(tiny: Tiny) -> None:
    with pytest.raises(ProjectError, match="did you mean `train`"):
        tiny.build(target="trian")


def test_an_observer_sees_each_stage_end_and_where_logs_lie(tiny: Tiny) -> None:
    tiny.set_value("gate", 20)

    outcome = tiny.build()

    assert tiny.watcher.events[0] == ("planned", "ingest clean audit train gate")
    assert tiny.watcher.events[-2:] == [("started", "gate"), ("ran", "gate")]
    assert "gate at work" in Path(outcome.folder / "gate@tiny.log").read_text()
