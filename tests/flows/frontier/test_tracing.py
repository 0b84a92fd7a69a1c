"""Frontiers of the tiny repository: real worktrees, real DVC, real worker processes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from flows.engine.checkout import dirty_files
from flows.engine.worktree import all_worktrees, snapshot
from flows.frontier.drive import Wish, complete, write_choice
from flows.frontier.points import Point
from flows.frontier.records import Ended, Pace
from flows.frontier.tracing import Traced, trace
from flows.git import git
from pipeline.core.errors import ProjectError
from tests.flows.conftest import SOURCE, Tiny, wait_until
from tests.flows.engine.test_build import is_gone
from tests.flows.frontier.frontiers import Notebook, candidate, request, typed

__all__ = ["typed"]
pytestmark = [
    pytest.mark.usefixtures("typed"),
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]


def states(traced: Traced) -> dict[str, str]:
    return {one.point.name: one.origin or one.outcome for one in traced.ended}


def num_builds(tiny: Tiny) -> int:
    return len(list(tiny.runs.glob("*/build.json")))


def test_points_are_trained_once_then_on_record_and_then_restored(tiny: Tiny) -> None:
    first = trace(request(tiny, 20, 30), Notebook())
    after_first = num_builds(tiny)
    again = trace(request(tiny, 20, 30), Notebook())

    assert states(first) == {"value 20": "trained", "value 30": "trained"}
    accuracies = [
        one.content and one.content["metrics"]["accuracy"]["value"] for one in first.ended
    ]
    assert accuracies == [0.88, 0.87]  # each point has its own model
    assert states(again) == {"value 20": "on record", "value 30": "on record"}
    assert num_builds(tiny) == after_first  # nothing was built, no stage ran
    assert [one.cost and one.cost.wall_s for one in again.ended] == [36.0, 36.0]
    assert [one.cost and one.cost.money for one in again.ended] == [0.005, 0.005]

    for record in (tiny.root / ".local/frontier/tiny/points").iterdir():
        record.unlink()
    restored = trace(request(tiny, 20, 30), Notebook())
    assert states(restored) == {"value 20": "restored", "value 30": "restored"}
    assert [one.cost and one.cost.wall_s for one in restored.ended] == [36.0, 36.0]


def test_the_checkout_is_left_as_it_was_and_builds_the_chosen_point_from_cache(tiny: Tiny) -> None:
    before = git(tiny.root, "branch", "--list")

    trace(request(tiny, 20), Notebook())

    assert dirty_files(tiny.root) == ()
    assert all_worktrees(tiny.root / ".local") == []
    assert git(tiny.root, "worktree", "list").count("\n") == 1
    assert git(tiny.root, "branch", "--list") == before
    tiny.set_value("train", 20)
    assert tiny.states(tiny.build())["train"] == "restored"


def test_edits_and_new_files_count_and_code_makes_a_record_stale(tiny: Tiny) -> None:
    trace(request(tiny, 20), Notebook())
    (tiny.root / "pipeline").mkdir()
    (tiny.root / "pipeline" / "new.py").write_text("# a stage's code\n")

    with_new_file = trace(request(tiny, 20), Notebook())
    common = tiny.root / "code" / "common.py"
    common.write_text(common.read_text().replace('f"{stage} {value // 10}', 'f"{stage} {4}'))
    for stage in ("clean", "train"):
        code = tiny.root / "code" / f"{stage}.py"
        code.write_text(code.read_text() + "# edited\n")
    (tiny.root / "pipeline" / "new.py").write_text("# another\n")
    edited = trace(request(tiny, 20), Notebook())

    assert states(with_new_file) == {"value 20": "restored"}
    assert states(edited) == {"value 20": "trained"}
    content = edited.ended[0].content
    assert content is not None
    assert content["metrics"]["accuracy"]["value"] == 0.86  # by the edited code


def test_a_snapshot_has_new_files_and_leaves_the_index_alone(tiny: Tiny) -> None:
    (tiny.root / "new.txt").write_text("new")
    before = git(tiny.root, "status", "--porcelain")

    made = snapshot(tiny.root)

    assert git(tiny.root, "show", f"{made}:new.txt") == "new"
    assert git(tiny.root, "status", "--porcelain") == before
    assert git(tiny.root, "branch", "--contains", made) == ""


def test_a_point_that_fails_says_why_and_leaves_the_others_alone(tiny: Tiny) -> None:
    tiny.order("train", "fail no threshold keeps the limit")

    traced = trace(request(tiny, 20, 10, jobs=1), Notebook())

    assert states(traced) == {"value 20": "failed", "value 10": "restored"}
    assert traced.ended[0].message == "train: no threshold keeps the limit"


def test_what_a_stage_refuses_is_on_record_and_not_tried_again(tiny: Tiny) -> None:
    tiny.order("train", "refuse no threshold keeps the limit")

    first = trace(request(tiny, 20, 10, jobs=1), Notebook())
    before = num_builds(tiny)
    again = trace(request(tiny, 20, 10, jobs=1), Notebook())

    assert states(first) == {"value 20": "refused", "value 10": "restored"}
    assert states(again) == {"value 20": "refused", "value 10": "on record"}
    assert again.ended[0].message == "train: no threshold keeps the limit"
    assert num_builds(tiny) == before


def test_a_budget_that_is_used_up_begins_nothing_more(tiny: Tiny) -> None:
    traced = trace(request(tiny, 20, 30, budget_s=0.001), Notebook())

    assert states(traced) == {"value 20": "skipped", "value 30": "skipped"}
    assert "0 s of the budget are left" in traced.ended[0].message


def point(family: str, trainings: float) -> Point:
    return Point(family, family, (), trainings, {})


def test_time_is_foretold_by_family_else_by_trainings() -> None:
    pace = Pace()
    assert pace.expected_s(point("penalty", 1)) is None

    pace.learn(Ended(point("penalty", 1), "measured", "trained", wall_s=10))
    pace.learn(Ended(point("search", 10), "measured", "trained", wall_s=40))
    pace.learn(Ended(point("penalty", 1), "measured", "restored", wall_s=1))  # says nothing

    assert pace.expected_s(point("penalty", 1)) == 10
    assert pace.expected_s(point("search", 10)) == 40
    assert pace.expected_s(point("other", 3)) == 3 * (10 + 4) / 2


def test_a_point_that_would_not_end_in_time_is_not_begun(tiny: Tiny) -> None:
    short = request(tiny, 20, jobs=1, budget_s=60)
    long = candidate(30, trainings=10_000).model_copy(update={"family": "long"})

    traced = trace(replace(short, candidates=(*short.candidates, long)), Notebook())

    assert states(traced) == {"value 20": "trained", "value 30": "skipped"}
    assert "it takes about" in traced.ended[1].message


PROGRAM = """
import sys
from pathlib import Path
import flows.frontier.points, flows.settings.project_file
from tests.flows.frontier.frontiers import Notebook, request, tiny_settings
from tests.flows.conftest import Tiny
flows.settings.project_file.settings_of = flows.frontier.points.settings_of = tiny_settings
from flows.frontier.tracing import trace
if __name__ == "__main__":
    traced = trace(request(Tiny(Path.cwd()), 20, jobs=1), Notebook())
    print(traced.interrupted, [one.outcome for one in traced.ended])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes_and_leaves_no_worktree(
    tiny: Tiny, number: signal.Signals
) -> None:
    tiny.order("train", "sleep 60")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=tiny.root,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    pid = tiny.pid("train")

    process.send_signal(number)
    output, _ = process.communicate(timeout=150)

    assert process.returncode == 0, output
    assert f"{number.name} ['stopped']" in output
    assert is_gone(pid)
    assert all_worktrees(tiny.root / ".local") == []


def test_when_the_frontier_is_killed_its_training_ends(tiny: Tiny) -> None:
    tiny.order("train", "sleep 60")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=tiny.root,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.DEVNULL,
    )
    pid = tiny.pid("train")

    process.kill()
    process.communicate()

    wait_until(lambda: is_gone(pid))


def test_a_frontier_is_drawn_and_its_choice_written(tiny: Tiny) -> None:
    drawn = complete(Wish(request(tiny, 20, 50, 60, as_it_is=True), "accuracy"), Notebook())

    page = drawn.page.read_text()
    told = json.loads(drawn.page.with_name("frontier.json").read_text())
    for name in ("value 20", "value 50", "value 60"):
        assert f">{name} · 36 s<" in page  # a label of the plot, with what the point cost
    assert ">as project.yaml has it<" in page  # no record is left of what that cost
    assert told["chosen"] == "value 50"
    assert told["chosen_settings"] == ["train.value=50"]
    assert {one["name"]: one["would_pass"] for one in told["points"]} == {
        "value 20": False,
        "as project.yaml has it": False,
        "value 50": True,
        "value 60": True,
    }
    before = tiny.settings.read_text()
    changes = write_choice(tiny.root, drawn.frontier)
    assert [str(change) for change in changes] == ["train.value 10 → 50"]
    assert tiny.settings.read_text() == before.replace("train:\n  value: 10", "train:\n  value: 50")
    (note,) = (tiny.root / ".local/frontier/tiny/choices.jsonl").read_text().splitlines()
    assert json.loads(note)["chosen"] == "value 50"


def test_no_point_that_can_be_measured_is_an_error_with_the_reasons(tiny: Tiny) -> None:
    tiny.order("train", "fail the column is empty")

    with pytest.raises(ProjectError, match="value 20: train: the column is empty"):
        complete(Wish(request(tiny, 20), "accuracy"), Notebook())


def test_an_unknown_measure_names_the_nearest(tiny: Tiny) -> None:
    with pytest.raises(ProjectError, match="did you mean `accuracy`"):
        complete(Wish(request(tiny, 20), "acuracy"), Notebook())
