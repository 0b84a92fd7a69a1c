"""A frontier as a Prefect flow and in MLflow: a task and a child run for each point."""

from pathlib import Path
from typing import Any

import pytest

from flows.frontier.drive import Drawn, Wish, complete
from flows.tracking.store import PARENT, Store
from tests.flows.conftest import Tiny
from tests.flows.frontier.frontiers import Notebook, request, typed
from tests.flows.prefect_api import Api
from tests.flows.registry.tracked import with_tables

__all__ = ["typed"]
TRACKED = True
pytestmark = [
    pytest.mark.usefixtures("typed"),
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]


def drawn(tiny: Tiny, *values: int) -> Drawn:
    return complete(Wish(request(tiny, *values), "accuracy"), Notebook())


def runs(store: Store, known: dict[str, str]) -> list[Any]:
    return store._search(known)


def test_each_point_is_a_child_run_with_bounds_cost_and_settings(tiny: Tiny, tables: Path) -> None:
    with_tables(tiny.root, tables)

    first = drawn(tiny, 20, 50)
    again = drawn(tiny, 20, 50)

    store = Store(tiny.root, "tiny")
    (parent,) = runs(store, {"chosen": "value 50"})
    children = runs(store, {PARENT: parent.info.run_id})
    assert {one.info.run_name for one in children} == {"value 20", "value 50"}
    chosen = next(one for one in children if one.data.tags["chosen"] == "true")
    assert chosen.info.run_name == "value 50"
    assert chosen.info.status == "FINISHED"
    assert chosen.data.tags["settings"] == "train.value=50"
    assert chosen.data.params["train.value"] == "50"
    expected = {
        "validation/accuracy": 0.85,
        "validation/accuracy_low": 0.84,
        "validation/accuracy_high": 0.86,
        "validation/worst_gap": 0.5,
        "validation/sex/demographic_parity_difference": 0.05,
        "cost_wall_s": 36.0,
        "cost_money": 0.005,
    }
    assert {name: chosen.data.metrics[name] for name in expected} == pytest.approx(expected)
    files = {one.path for one in store._client.list_artifacts(parent.info.run_id)}
    assert files == {"frontier.html", "frontier.json"}
    assert "tracked:" in first.lines[0]
    assert again.lines == first.lines  # the same frontier is logged once
    assert len(runs(store, {"chosen": "value 50"})) == 1


def test_tracking_that_is_down_is_no_failure(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("HALLMARK_TRACKING_PATIENCE_S", "0.1")

    found = drawn(tiny, 50)

    assert found.frontier.choice.chosen is not None
    assert found.page.is_file()
    assert found.lines[0].startswith("not tracked:")


def test_each_point_is_a_task_and_what_came_of_it_an_artifact(
    tiny: Tiny, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.frontier.flow import frontier_here

    monkeypatch.setenv("HALLMARK_TRACKING", "off")
    frontier_here(Wish(request(tiny, 50), "accuracy"), Notebook())

    wish = Wish(request(tiny, 50, 20), "accuracy")
    found, run_id = frontier_here(wish, Notebook())

    assert found.frontier.choice.chosen is not None
    tasks = api.tasks(run_id)
    assert {name: task.state.name for name, task in tasks.items()} == {
        "value 50": "Cached",
        "value 20": "Completed",
    }
    assert tasks["value 20"].state.message == "train.value=20"
    run = api.flow_run(run_id)
    assert run.state.name == "Completed"
    assert "1 of 2 points would pass" in run.state.message
    assert run.parameters["project"] == "tiny"
    assert set(api.artifacts(run_id)) == {
        "tiny-frontier",
        "tiny-frontier-choice",
        "tiny-frontier-link",
    }


def test_a_frontier_of_which_none_would_pass_says_so_in_its_state(
    tiny: Tiny, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.frontier.flow import frontier_here

    monkeypatch.setenv("HALLMARK_TRACKING", "off")

    found, run_id = frontier_here(Wish(request(tiny, 20), "accuracy"), Notebook())

    assert found.frontier.choice.chosen is None
    state = api.flow_run(run_id).state
    assert (state.name, state.type.value) == ("NonePasses", "FAILED")
    assert "the nearest is value 20" in state.message
