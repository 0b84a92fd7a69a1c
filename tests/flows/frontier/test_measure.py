"""A point's measurement is what `evaluate`, `assess` and `gate` would say of the same rows."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.frontier import measure as frontier_measure
from flows.frontier.measure import measure, scaled
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import folder_name
from pipeline.core.run.runner import run_stage
from tests.people import make_project, make_task_project, people, task_people, write_parts

RULES = [
    {"measure": "accuracy", "at_least": 0.6},
    {"measure": "log_loss", "at_most": 0.9, "confidence": 0.9},
    {"measure": "demographic_parity_difference", "by": "sex", "at_most": 0.9},
    {
        "measure": "demographic_parity_difference",
        "by": "region",
        "at_most": 0.9,
        "min_group_size": 40,
        "accept_small_groups": "a test",
    },
    {"measure": "accuracy", "against": "champion", "margin": 0.1},
]


def parts_of(root: Path, task: str) -> Path:
    """A trained project whose test part has the validation rows; returns its folder."""
    rules = {"rules": RULES if task == "binary" else [_gap(task)]}
    if task == "binary":
        home, table = make_project(root, gate=rules), people(1200)
    else:
        home, table = make_task_project(root, task, gate=rules), task_people(task, 1200)
    write_parts(home, table)
    split = home / folder_name("split")
    shutil.copy(split / "validation.parquet", split / "test.parquet")
    num_rows = table.height // 10
    write_json(split / "report.json", {"parts": {"test": {"rows": num_rows}}})
    for stage in ("train", "calibrate"):
        run_stage(root, stage, "people")
    return home


def _gap(task: str) -> dict[str, Any]:
    measured = "mean_residual_difference" if task == "regression" else "accuracy_difference"
    return {"measure": measured, "by": "sex", "at_most": 50.0 if task == "regression" else 0.9}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_same_rows_give_the_same_numbers_without_the_test_part(
    tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = parts_of(tmp_path, task)
    (home / "champion").mkdir(exist_ok=True)
    write_json(home / "champion" / "champion.json", {"version": None})
    for stage in ("evaluate", "assess", "gate"):
        run_stage(tmp_path, stage, "people")
    evaluation = read_json(home / folder_name("evaluate") / "report.json")
    assessment = read_json(home / folder_name("assess") / "report.json")
    verdict = read_json(home / folder_name("gate") / "verdict.json")
    (home / folder_name("split") / "test.parquet").unlink()
    monkeypatch.setattr(frontier_measure, "NUM_REPLICATES", evaluation["num_replicates"])

    found = measure(tmp_path, "people")

    for name, span in evaluation["model"]["metrics"].items():
        assert found["metrics"][name] == {key: span[key] for key in ("value", "low", "high")}
    for by, entry in assessment["model"].items():
        kept = {name: gap for name, gap in entry["gaps"].items() if gap is not None}
        assert found["gaps"][by] == {
            name: {key: gap[key] for key in ("value", "low", "high")} for name, gap in kept.items()
        }
    decided = [rule for rule in verdict["rules"] if "champion" not in rule["rule"]]
    assert len(found["rules"]) == len(decided)
    for ours, theirs in zip(found["rules"], decided, strict=True):
        for key in ("rule", "outcome", "value", "low", "high", "too_small", "sentence"):
            assert ours[key] == theirs[key]
    assert found["num_rules_left"] == len(verdict["rules"]) - len(decided)
    json.dumps(found, allow_nan=False)


def test_groups_take_part_by_their_share_of_the_rows(tmp_path: Path) -> None:
    home = parts_of(tmp_path, "binary")
    report = home / folder_name("split") / "report.json"
    write_json(report, {"parts": {"test": {"rows": 240}}})  # twice the 120 validation rows

    found = measure(tmp_path, "people")

    assert found["min_group_size"] == 30  # the project's own, and never more
    assert scaled(200, 4946 / 15493) == 64
    assert scaled(200, 0.01) == 30
    assert scaled(20, 0.5) == 20
    assert next(rule for rule in found["rules"] if rule["by"] == "region")["min_group_size"] == 30
