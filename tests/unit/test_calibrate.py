"""calibrate: the policy is fitted on its own part, or given."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.core import prediction
from pipeline.core.calibration import choose_threshold, fit_temperature
from pipeline.core.errors import ArtifactMissing
from pipeline.core.policy import Policy
from pipeline.core.runner import run_stage
from tests.data import set_section


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
