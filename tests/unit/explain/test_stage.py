"""explain: what the report says adds up, or is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.run.runner import run_stage
from pipeline.explain.stage import check_completeness, spread
from tests.people import SETTINGS, set_section


def report_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "data/people/60_explain/report.json").read_text())
    return found


def test_more_steps_are_taken_until_attributions_add_up(built: Path) -> None:
    """With eight steps they are too far off for this limit; the service takes as many as held."""
    few = {**SETTINGS["explain"], "num_steps": 8}
    set_section(built, "explain", few)
    run_stage(built, "explain", "people")
    error = report_of(built)["completeness_error"]["mean"]
    set_section(built, "explain", {**few, "max_completeness_error": error / 1.5})
    run_stage(built, "explain", "people")
    assert report_of(built)["completeness_error"]["mean"] <= error / 1.5
    taken = json.loads((built / "data/people/60_explain/reference.json").read_text())["num_steps"]
    assert taken in (16, 32, 64)


def test_completeness_holds_and_is_reported(finished: Path) -> None:
    error = report_of(finished)["completeness_error"]
    assert 0 <= error["mean"] <= error["max"]
    assert error["mean"] <= error["limit_of_mean"] == 0.05


@pytest.mark.parametrize("errors", [[0.2, -0.2], [0.0, 0.11], [float("nan"), 0]])
def test_a_violation_is_refused(errors: list[float]) -> None:
    check_completeness(np.array([0.05, -0.05]), 0.05)
    with pytest.raises(PipelineError, match=r"add up within 0\.05 logits") as caught:
        check_completeness(np.array(errors), 0.05)
    assert "explain.num_steps" in caught.value.hint


def test_a_violation_stops_the_stage_before_it_writes(built: Path) -> None:
    before = (built / "data/people/60_explain/report.json").read_bytes()
    set_section(built, "explain", {**SETTINGS["explain"], "max_completeness_error": 1e-12})
    with pytest.raises(PipelineError, match="add up within"):
        run_stage(built, "explain", "people")
    assert (built / "data/people/60_explain/report.json").read_bytes() == before


def test_the_first_rows_by_key_are_explained_and_cases_span_the_probabilities(
    finished: Path,
) -> None:
    home = finished / "data/people"
    report = report_of(finished)
    test = pl.read_parquet(home / "25_split/test.parquet").sort("_key").head(40)
    rows = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    rows = rows.filter(pl.col("_row").is_in(test["_row"].implode()))
    assert report["num_rows"] == 40
    found = [one["probability"] for one in report["cases"]]
    assert len(found) == 3
    assert found == sorted(found)
    assert found[0] == pytest.approx(rows["probability"].min(), abs=1e-5)
    assert found[-1] == pytest.approx(rows["probability"].max(), abs=1e-5)


def test_cases_lie_evenly_in_the_order_of_what_is_said() -> None:
    answers = pl.DataFrame({"probability": [0.9, 0.2, 0.4, 0.3, 0.1], "decision": [1, 0, 0, 0, 0]})
    assert spread(answers, 3) == [4, 3, 0]
    assert spread(answers, 9) == [4, 1, 3, 2, 0]


def test_explaining_again_gives_the_same_bytes(built: Path) -> None:
    before = report_of(built)
    run_stage(built, "explain", "people")
    assert report_of(built) == before
