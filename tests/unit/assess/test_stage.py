"""assess: groups and gaps of the predictions, and what cannot be measured."""

import json
from pathlib import Path
from typing import Any

import fairlearn.metrics
import numpy as np
import polars as pl
import pytest

from pipeline.assess import stage as assess
from pipeline.assess.group_rates import Binary
from pipeline.assess.stage import Settings
from pipeline.core.errors import ArtifactMissing
from pipeline.core.metrics.gaps import CELLS, measured
from pipeline.core.metrics.measures import MULTICLASS_GAPS, REGRESSION_GAPS
from pipeline.core.run.runner import run_stage
from tests.people import COLUMNS, SETTINGS, columns_of, set_section


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
        assert "hallmark build people evaluate" in caught.value.hint
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


def test_counts_and_settings_are_what_a_rule_needs_to_measure_anew(finished: Path) -> None:
    report = report_of(finished)
    found = report["model"]["sex × region"]
    again = measured(
        found["groups"],
        "equalized_odds_difference",
        confidence=report["confidence"],
        min_group_size=report["min_group_size"],
        num_replicates=report["num_replicates"],
        seed=report["seed"],
    )
    assert again == found["gaps"]["equalized_odds_difference"]
    for group in found["groups"]:
        assert sum(group["counts"][cell] for cell in CELLS) == group["num_rows"]


def test_gaps_are_those_of_groups_in_the_report(finished: Path) -> None:
    for by, found in report_of(finished)["model"].items():
        large = [group for group in found["groups"] if not group["too_small"]]
        rates = {group["group"]: group["selection_rate"]["value"] for group in large}
        gap = found["gaps"]["demographic_parity_difference"]
        assert gap["value"] == pytest.approx(max(rates.values()) - min(rates.values()), abs=2e-6)
        assert rates[gap["highest"]] == max(rates.values()), by
        assert rates[gap["lowest"]] == min(rates.values()), by


def test_depth_of_crossings_is_a_setting(built: Path) -> None:
    set_section(built, "assess", {**SETTINGS["assess"], "max_depth": 1})
    assert list(assessed(built)["model"]) == ["sex", "region"]


def test_a_sensitive_number_is_cut_at_its_edges(built: Path) -> None:
    edges = {"age": [30, 50]}
    columns = {**COLUMNS, "sensitive": ["sex", "age"], "sensitive_edges": edges}
    set_section(built, "columns", columns)
    found = assessed(built)["model"]
    assert list(found) == ["sex", "age", "sex × age"]
    names = {group["group"] for group in found["age"]["groups"]}
    assert names == {"< 30", "30 to < 50", "≥ 50", "(missing)"}


def test_a_planted_gap_is_found_and_told_in_people(built: Path) -> None:
    # Every decision about the people of the south is made negative.
    home = built / "data/people"
    source = home / "50_evaluate/predictions.parquet"
    region = pl.read_parquet(home / "25_split/test.parquet")["region"]
    rows = pl.read_parquet(source)
    before = assessed(built)["model"]["region"]["gaps"]["demographic_parity_difference"]
    assert before["low"] < 0.1
    south = pl.when(region == "south").then(pl.lit(0, pl.Int8)).otherwise(pl.col("decision"))
    rows.with_columns(decision=south).write_parquet(source)
    gap = assessed(built)["model"]["region"]["gaps"]["demographic_parity_difference"]
    assert gap["low"] > 0.1
    assert (gap["lowest"], gap["highest"]) == ("south", "north")
    num_south = int((region == "south").sum())
    share = rows.filter(region == "north")["decision"].mean()
    assert gap["harm"]["num_people"] == pytest.approx(num_south * share, abs=0.1)


def of_task(root: Path, task: str, predictions: pl.DataFrame) -> dict[str, Any]:
    """The report of a project with another task, from predictions as `evaluate` writes them."""
    columns = {**COLUMNS, "task": task}
    del columns["positive"]
    set_section(root, "columns", columns)
    rows = pl.read_parquet(root / "data/people/50_evaluate/predictions.parquet").select("_row")
    target = root / "data/people/50_evaluate/predictions.parquet"
    rows.with_columns(predictions).write_parquet(target)
    return assessed(root)


def test_several_classes_are_taken_one_against_the_rest(built: Path) -> None:
    rng = np.random.default_rng(3)
    classes = np.array(["a", "b", "c"])
    label, decision, baseline = (classes[rng.integers(0, 3, 120)] for _ in range(3))
    table = pl.DataFrame({"label": label, "decision": decision, "baseline_decision": baseline})
    report = of_task(built, "multiclass", table)
    assert report["task"] == "multiclass"
    for who in ("model", "baseline"):
        found = report[who]["sex"]
        assert set(found["gaps"]) == set(MULTICLASS_GAPS)
        assert found["gaps"]["demographic_parity_difference"]["class"] in classes
        assert set(found["groups"][0]["classes"]) == set(classes)


def test_numbers_are_compared_by_their_means(built: Path) -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(5, 1, 120)
    sex = pl.read_parquet(built / "data/people/25_split/test.parquet")["sex"].to_numpy()
    table = pl.DataFrame(
        {
            "label": truth,
            "prediction": truth + rng.normal(0, 0.2, 120) - 1.0 * (sex == "female"),
            "baseline_prediction": np.full(120, 5.0),
        }
    )
    gaps = of_task(built, "regression", table)["model"]["sex"]["gaps"]
    assert set(gaps) == set(REGRESSION_GAPS)
    residual = gaps["mean_residual_difference"]
    assert (residual["lowest"], residual["highest"]) == ("female", "male")
    assert residual["low"] < 1 < residual["high"]
    assert residual["low"] > 0.8


def planted(max_depth: int) -> dict[str, Any]:
    """Labels flipped for one crossing of groups, evened out for each column alone: of 500 women
    and 500 men in north and in south each, decisions miss 40 % of women in the south and of men in
    the north, and 10 % of the others."""
    table = pl.DataFrame(
        {
            "sex": ["female"] * 1000 + ["male"] * 1000,
            "region": (["north"] * 500 + ["south"] * 500) * 2,
        }
    )
    missed = ([0] * 50 + [1] * 450) + ([0] * 200 + [1] * 300)
    decisions = np.array([*missed, *missed[500:], *missed[:500]])
    found = Binary(np.ones(2000, dtype=int), decisions, decisions * 0.8 + 0.1)
    settings = Settings(num_replicates=100, max_depth=max_depth)
    return assess.assessed(found, table, columns_of(), settings)


def test_a_bias_planted_in_a_crossing_is_found_there() -> None:
    found = planted(2)
    for by in ("sex", "region"):
        assert found[by]["gaps"]["equal_opportunity_difference"]["value"] == 0
        assert found[by]["gaps"]["equal_opportunity_difference"]["low"] == 0
    gap = found["sex × region"]["gaps"]["equal_opportunity_difference"]
    assert gap["value"] == 0.3
    assert gap["low"] > 0.2
    assert gap["lowest"] in ("female × south", "male × north")
    assert gap["harm"]["num_people"] == 150
    # Without crossings nothing is seen: what the search for it is for.
    assert list(planted(1)) == ["sex", "region"]


def test_a_small_group_is_named_and_its_rates_are_shown(finished: Path) -> None:
    found = report_of(finished)["model"]["region"]
    island = next(group for group in found["groups"] if group["group"] == "island")
    assert island["too_small"]
    assert island["selection_rate"]["value"] is not None
    for gap in found["gaps"].values():
        assert gap["too_small"] == ["island"]
        assert "island" not in (gap["highest"], gap["lowest"])
