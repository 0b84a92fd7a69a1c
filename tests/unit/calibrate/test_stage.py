"""calibrate: the policy is fitted on its own part, or given."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.core.errors import ArtifactMissing, ProjectError
from pipeline.core.prediction import prediction
from pipeline.core.prediction.calibration import choose_threshold, fit_temperature
from pipeline.core.prediction.policy import Policy, draws
from pipeline.core.run.runner import run_stage
from tests.people import set_section


def policy(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "data/people/45_calibrate/policy.json").read_text())
    return found


def test_both_are_fitted_on_the_calibration_part(finished: Path) -> None:
    home = finished / "data/people"
    table = pl.read_parquet(home / "25_split/calibration.parquet")
    labels = (table["income"] == "high").to_numpy().astype(float)
    logits = prediction.load(home / "40_train", "tabular").logits(table)
    temperature = fit_temperature(logits, labels)
    probability = Policy(temperature, 0.5).probability(logits)
    threshold = choose_threshold(probability, labels, "accuracy")
    assert policy(finished) == {
        "temperature": temperature,
        "threshold": threshold,
        "maximise": "accuracy",
        "num_rows": 120,
    }


def test_given_values_are_kept(built: Path) -> None:
    given = {"temperature": 1.5, "threshold": 0.3, "maximise": "balanced_accuracy"}
    set_section(built, "calibrate", given)
    run_stage(built, "calibrate", "people")
    assert policy(built) == {**given, "num_rows": 120}


def test_a_model_whose_files_do_not_belong_together_is_refused(built: Path) -> None:
    source = built / "data/people/40_train/model.json"
    source.write_text(json.dumps({**json.loads(source.read_text()), "hidden": [3]}))
    with pytest.raises(ArtifactMissing, match=r"weights\.safetensors"):
        run_stage(built, "calibrate", "people")


CONSTRAINED = {
    "method": "constrained_threshold",
    "columns": ["sex"],
    "at_most": 0.6,
    "min_group_size": 30,
}


def test_a_constrained_threshold_is_reported_with_what_it_changed(built: Path) -> None:
    before = policy(built)
    set_section(built, "calibrate", {"mitigation": CONSTRAINED})
    run_stage(built, "calibrate", "people")
    found = policy(built)
    made = found.pop("mitigation")
    assert found["temperature"] == before["temperature"]
    assert made["before"]["threshold"] == before["threshold"]
    assert made["after"]["threshold"] == found["threshold"]
    assert made["after"]["gaps"]["sex"]["high"] <= 0.6
    assert made["method"] == "constrained_threshold"

    home = built / "data/people"
    table = pl.read_parquet(home / "25_split/calibration.parquet")
    logits = prediction.load(home / "40_train", "tabular").logits(table)
    decided = table.with_columns(yes=pl.Series(Policy.from_dict(found).probability(logits))
                                 >= found["threshold"])  # fmt: skip
    rates = decided.group_by("sex").agg(pl.col("yes").mean())["yes"]
    assert made["after"]["gaps"]["sex"]["value"] == pytest.approx(
        rates.max() - rates.min(),  # type: ignore[operator]
        abs=1e-6,
    )
    right = decided["yes"] == (decided["income"] == "high")
    assert made["after"]["accuracy"] == pytest.approx(right.mean(), abs=1e-6)


def test_a_limit_that_no_threshold_keeps_is_refused_and_writes_nothing(built: Path) -> None:
    before = policy(built)
    set_section(built, "calibrate", {"mitigation": {**CONSTRAINED, "at_most": 0.01}})
    with pytest.raises(ProjectError, match="the nearest") as refused:
        run_stage(built, "calibrate", "people")
    assert "calibrate.mitigation.at_most" in refused.value.hint
    assert policy(built) == before


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"mitigation": {"method": "constrained_threshold"}}, "expected `at_most`"),
        ({"threshold": 0.4, "mitigation": CONSTRAINED}, "which chooses one"),
        (
            {
                "mitigation": {
                    "method": "threshold_optimizer",
                    "constraint": "equalized_odds",
                    "at_most": 0.1,
                }
            },
            "no relaxed `equalized_odds`",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    built: Path, section: dict[str, Any], message: str
) -> None:
    set_section(built, "calibrate", section)
    with pytest.raises(ProjectError, match=message):
        run_stage(built, "calibrate", "people")


BY_GROUP = {"method": "threshold_optimizer", "columns": ["sex"], "min_group_size": 20}
ALLOWED = {**BY_GROUP, "allow_sensitive_at_serving": True}


def test_thresholds_by_group_need_a_word_that_the_service_may_ask(built: Path) -> None:
    before = policy(built)
    set_section(built, "calibrate", {"mitigation": BY_GROUP})
    with pytest.raises(ProjectError, match="decides by sex") as refused:
        run_stage(built, "calibrate", "people")
    assert "`calibrate.mitigation.allow_sensitive_at_serving: true`" in refused.value.hint
    assert policy(built) == before


def test_thresholds_by_group_are_reported_with_what_they_changed(built: Path) -> None:
    set_section(built, "calibrate", {"mitigation": ALLOWED})
    run_stage(built, "calibrate", "people")
    found = policy(built)
    made = found["mitigation"]
    assert set(found["by_group"]["groups"]) == {"female", "male"}
    assert (found["by_group"]["columns"], found["by_group"]["salt"]) == (["sex"], "0")
    assert made["after"]["gaps"]["sex"]["value"] < made["before"]["gaps"]["sex"]["value"]
    assert (made["too_small"], made["num_fallback"]) == ({}, 0)

    home = built / "data/people"
    table = pl.read_parquet(home / "25_split/calibration.parquet")
    model = prediction.load(home / "40_train", "tabular")
    decides = Policy.from_dict(found)
    probability = decides.probability(model.logits(table))
    drawn = draws(model.encoder.encode(table), "0")
    decisions = decides.decide(probability, table["sex"].to_list(), drawn)
    right = decisions == (table["income"] == "high").to_numpy()
    assert made["after"]["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    assert made["after"]["selection_rate"] == pytest.approx(decisions.mean(), abs=1e-6)


def test_a_group_with_few_rows_is_named_and_decided_by_the_threshold_for_all(built: Path) -> None:
    """Region: 120 calibration rows, some of them from the island."""
    table = pl.read_parquet(built / "data/people/25_split/calibration.parquet")
    num_island = (table["region"] == "island").sum()
    assert 0 < num_island < 20
    set_section(built, "calibrate", {"mitigation": {**ALLOWED, "columns": ["region"]}})
    run_stage(built, "calibrate", "people")
    found = policy(built)["mitigation"]
    assert found["too_small"] == {"region": {"island": num_island}}
    assert found["num_fallback"] == num_island
