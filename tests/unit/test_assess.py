"""assess: groups and gaps of the predictions, and what cannot be measured."""

import json
from pathlib import Path
from typing import Any

import fairlearn.metrics
import polars as pl
import pytest

from pipeline.core.errors import ArtifactMissing
from pipeline.core.runner import run_stage
from tests.data import COLUMNS, SETTINGS, set_section


def report_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "data/people/55_assess/report.json").read_text())
    return found


def assessed(root: Path) -> dict[str, Any]:
    run_stage(root, "assess", "people")
    return report_of(root)


def test_groups_are_single_columns_and_pairs(finished: Path) -> None:
    for who in ("model", "baseline"):
        assert list(report_of(finished)[who]) == ["sex", "region", "sex × region"]


@pytest.mark.parametrize("who", ["model", "baseline"])
def test_gaps_are_fairlearns_over_the_groups_that_are_large_enough(
    finished: Path, who: str
) -> None:
    home = finished / "data/people"
    rows = pl.read_parquet(home / "50_evaluate/predictions.parquet").with_columns(
        pl.read_parquet(home / "25_split/test.parquet")["region"]
    )
    found = report_of(finished)[who]["region"]
    sizes = {one["group"]: one["num_rows"] for one in found["groups"]}
    assert sizes == {r["region"]: r["len"] for r in rows.group_by("region").len().to_dicts()}
    assert found["too_small"] == ["island"]
    kept = rows.filter(pl.col("region") != "island")
    decision = "decision" if who == "model" else "baseline_decision"
    known = fairlearn.metrics.demographic_parity_difference(
        kept["label"].to_numpy(),
        kept[decision].to_numpy(),
        sensitive_features=kept["region"].to_numpy(),
    )
    gap = found["gaps"]["demographic_parity_difference"]
    assert gap["value"] == pytest.approx(known, abs=1e-6)
    assert gap["low"] <= gap["value"] <= gap["high"]


def test_metrics_are_the_models_gaps(finished: Path) -> None:
    metrics = json.loads((finished / "data/people/55_assess/metrics.json").read_text())
    gaps = report_of(finished)["model"]["sex"]["gaps"]
    assert metrics["sex"] == {name: gap["value"] for name, gap in gaps.items()}


def test_with_fewer_than_two_large_groups_there_is_no_gap(built: Path) -> None:
    set_section(built, "assess", {**SETTINGS["assess"], "min_group_size": 70})
    found = assessed(built)["model"]["sex"]
    assert found["gaps"] == {}
    assert found["too_small"] == ["female"]
    assert {one["group"]: one["too_small"] for one in found["groups"]} == {
        "female": True,
        "male": False,
    }


@pytest.mark.parametrize(("sensitive", "by"), [(["sex"], ["sex"]), ([], [])])
def test_one_sensitive_column_and_none(built: Path, sensitive: list[str], by: list[str]) -> None:
    set_section(built, "columns", {**COLUMNS, "sensitive": sensitive})
    assert list(assessed(built)["model"]) == by


def test_predictions_of_other_rows_are_refused(built: Path) -> None:
    source = built / "data/people/50_evaluate/predictions.parquet"
    before = (built / "data/people/55_assess/report.json").read_bytes()
    whole = pl.read_parquet(source)
    for other in (whole.reverse(), whole[1:]):
        other.write_parquet(source)
        with pytest.raises(
            ArtifactMissing, match="predictions to be of split's test rows"
        ) as caught:
            assessed(built)
        assert "dvc repro evaluate@people" in caught.value.hint
    assert (built / "data/people/55_assess/report.json").read_bytes() == before


def test_a_model_that_selects_nobody_is_assessed(built: Path) -> None:
    source = built / "data/people/50_evaluate/predictions.parquet"
    nobody = pl.lit(0, dtype=pl.Int8)
    pl.read_parquet(source).with_columns(decision=nobody).write_parquet(source)
    gaps = assessed(built)["model"]["sex"]["gaps"]
    assert gaps["demographic_parity_difference"]["value"] == 0
    assert gaps["demographic_parity_ratio"]["value"] == 1


def test_assessing_again_gives_the_same_bytes(built: Path) -> None:
    before = report_of(built)
    assert assessed(built) == before
