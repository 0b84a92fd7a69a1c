"""evaluate: measures of the test part, beside the baseline and the live champion."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from pipeline.core.prediction import prediction
from pipeline.core.prediction.policy import Policy, draws
from pipeline.core.run.runner import run_stage
from tests.people import set_section


def report_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "data/people/50_evaluate/report.json").read_text())
    return found


def evaluated(root: Path) -> dict[str, Any]:
    run_stage(root, "evaluate", "people")
    return report_of(root)


def test_predictions_are_the_models_row_by_row(finished: Path) -> None:
    home = finished / "data/people"
    test = pl.read_parquet(home / "25_split/test.parquet")
    found = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    policy = Policy.from_dict(json.loads((home / "45_calibrate/policy.json").read_text()))
    probability = policy.probability(prediction.load(home / "40_train", "tabular").logits(test))
    assert found["_row"].equals(test["_row"])
    assert found["label"].to_list() == (test["income"] == "high").cast(pl.Int8).to_list()
    np.testing.assert_array_equal(found["probability"], probability)
    assert found["decision"].to_list() == [int(p >= policy.threshold) for p in probability]


def test_the_report_measures_model_and_baseline_with_bounds(finished: Path) -> None:
    report = report_of(finished)
    rows = pl.read_parquet(finished / "data/people/50_evaluate/predictions.parquet")
    for who, column in (("model", "probability"), ("baseline", "baseline_probability")):
        metrics = report[who]["metrics"]
        known = roc_auc_score(rows["label"], rows[column])
        assert metrics["roc_auc"]["value"] == pytest.approx(known, abs=1e-6)
        for interval in metrics.values():
            assert interval["low"] < interval["high"]
    metrics = json.loads((finished / "data/people/50_evaluate/metrics.json").read_text())
    assert metrics == {k: v["value"] for k, v in report["model"]["metrics"].items()}
    assert report["num_rows"] == 120
    assert {one["column"] for one in report["slices"]} == {"age", "hours", "job"}


def test_bounds_are_kept_at_several_confidences_so_that_a_rule_can_ask_for_its_own(
    finished: Path,
) -> None:
    found = report_of(finished)["model"]["metrics"]["accuracy"]
    assert list(found["bounds"]) == ["0.9", "0.95", "0.975", "0.99"]
    assert found["bounds"]["0.95"] == [found["low"], found["high"]]
    lows, highs = zip(*found["bounds"].values(), strict=True)
    assert sorted(lows, reverse=True) == list(lows)
    assert sorted(highs) == list(highs)
    assert found["standard_error"] == pytest.approx(
        (found["value"] * (1 - found["value"]) / 120) ** 0.5, rel=0.25
    )


def test_curves_end_where_they_must(finished: Path) -> None:
    folder = finished / "data/people/50_evaluate"
    assert pl.read_csv(folder / "roc.csv").row(0) == (0.0, 0.0)
    assert pl.read_csv(folder / "roc.csv").row(-1) == (1.0, 1.0)
    assert pl.read_csv(folder / "reliability.csv")["num_rows"].sum() == 120


def test_evaluating_again_gives_the_same_bytes(built: Path) -> None:
    folder = built / "data/people/50_evaluate"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    evaluated(built)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def enthrone(root: Path, seen: list[int], *, spoilt: bool) -> Path:
    """Make a copy of the model, `spoilt` by turning its answers around, the live champion."""
    home = root / "data/people"
    folder = home / "champion"
    for name in ("encoder.json", "model.json", "weights.safetensors"):
        shutil.copy(home / "40_train" / name, folder / name)
    if spoilt:
        weights = load_file(folder / "weights.safetensors")
        last = max(name for name in weights if name.startswith("layers") and "weight" in name)
        weights[last] = -weights[last]
        save_file(weights, folder / "weights.safetensors")
    shutil.copy(home / "45_calibrate/policy.json", folder / "policy.json")
    (folder / "champion.json").write_text('{"version": 7}')
    pl.DataFrame({"_key": pl.Series(seen, dtype=pl.UInt64)}).write_parquet(folder / "seen.parquet")
    return folder


def test_no_champion_is_an_outcome(finished: Path) -> None:
    assert report_of(finished)["champion"]["outcome"] == "none"


def test_gains_over_a_worse_champion_are_positive_whatever_the_measure(built: Path) -> None:
    enthrone(built, [], spoilt=True)
    found = evaluated(built)["champion"]
    assert (found["outcome"], found["version"], found["num_rows"]) == ("compared", "7", 120)
    for name in ("roc_auc", "accuracy", "log_loss", "brier_score"):
        assert found["gains"][name]["low"] > 0


def test_no_gain_over_itself(built: Path) -> None:
    enthrone(built, [], spoilt=False)
    found = evaluated(built)["champion"]
    for gain in found["gains"].values():
        assert {key: gain[key] for key in ("value", "low", "high", "standard_error")} == {
            "value": 0,
            "low": 0,
            "high": 0,
            "standard_error": 0,
        }


def test_rows_that_the_champion_has_seen_are_left_out(built: Path) -> None:
    keys = pl.read_parquet(built / "data/people/25_split/test.parquet")["_key"].to_list()
    enthrone(built, [*keys[:50], 1, 2], spoilt=True)
    found = evaluated(built)["champion"]
    assert (found["num_rows"], found["num_rows_seen"]) == (70, 50)
    enthrone(built, keys, spoilt=True)
    assert evaluated(built)["champion"] == {"outcome": "no_rows", "version": "7", "num_rows": 0}


def test_a_group_that_the_champion_has_seen_whole_is_not_left_out_in_silence(built: Path) -> None:
    test = pl.read_parquet(built / "data/people/25_split/test.parquet")
    islanders = test.filter(pl.col("region") == "island")["_key"].to_list()
    enthrone(built, islanders, spoilt=False)
    found = {one["group"]: one for one in evaluated(built)["champion"]["by"]["region"]}
    assert set(found) == {"island", "north", "south"}
    assert found["island"]["num_rows"] == 0
    assert found["island"]["gains"]["accuracy"]["value"] is None
    rule = {"measure": "accuracy", "by": "region", "against": "champion", "margin": 0.5}
    set_section(built, "gate", {"rules": [rule]})
    run_stage(built, "gate", "people")
    verdict = json.loads((built / "data/people/65_gate/verdict.json").read_text())
    assert (verdict["outcome"], verdict["rules"][0]["too_small"]) == ("insufficient", ["island"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("champion.json", None),
        ("champion.json", "{}"),
        ("champion.json", "[]"),
        ("policy.json", "{}"),
        ("policy.json", "half {"),
        ("encoder.json", "{}"),
        ("model.json", '{"layers": 3}'),
        ("weights.safetensors", "none"),
        ("weights.safetensors", None),
        ("seen.parquet", "none"),
        ("encoder.json", '{"edges": {"gone": [0.0, 1.0], "hours": [0.0]}, "levels": {"job": []}}'),
    ],
)
def test_an_unreadable_champion_is_an_outcome_of_its_own(
    built: Path, name: str, content: str | None
) -> None:
    file = enthrone(built, [], spoilt=True) / name
    file.unlink() if content is None else file.write_text(content)
    found = evaluated(built)
    assert found["champion"]["outcome"] == "unreadable"
    assert found["champion"]["note"]
    assert found["model"] == report_of(built)["model"]


def test_seen_rows_without_keys_are_unreadable(built: Path) -> None:
    folder = enthrone(built, [], spoilt=True)
    pl.DataFrame({"key": [1]}).write_parquet(folder / "seen.parquet")
    assert evaluated(built)["champion"]["outcome"] == "unreadable"


def by_group(root: Path, column: str) -> dict[str, Any]:
    """A policy that selects every woman and, among men, half of those above 0.3 by chance."""
    policy: dict[str, Any] = json.loads((root / "data/people/45_calibrate/policy.json").read_text())
    always = {"p0": 1.0, "threshold0": -1.0, "p1": 0.0, "threshold1": 1.0}
    half = {"p0": 0.5, "threshold0": 0.3, "p1": 0.5, "threshold1": 1.0}
    groups = {"female": always, "male": half}
    return {**policy, "by_group": {"columns": [column], "edges": {}, "salt": "7", "groups": groups}}


def test_a_policy_by_group_decides_by_the_rows_groups_and_chances(built: Path) -> None:
    home = built / "data/people"
    (home / "45_calibrate/policy.json").write_text(json.dumps(by_group(built, "sex")))
    report = evaluated(built)
    test = pl.read_parquet(home / "25_split/test.parquet")
    found = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    men = (test["sex"] == "male").to_numpy()
    drawn = draws(prediction.load(home / "40_train", "tabular").encoder.encode(test), "7")
    chosen = (found["probability"].to_numpy() > 0.3) & (drawn < 0.5)
    expected = np.where(men, chosen, True)
    assert found["decision"].to_list() == expected.astype(int).tolist()
    in_doubt = int((men & (found["probability"].to_numpy() > 0.3)).sum())
    assert 0 < chosen[men].sum() < in_doubt
    assert (report["policy"]["num_randomised"], report["policy"]["num_fallback"]) == (in_doubt, 0)


def test_a_champion_that_decides_by_group_is_compared_as_it_decides(built: Path) -> None:
    folder = enthrone(built, [], spoilt=False)
    (folder / "policy.json").write_text(json.dumps(by_group(built, "sex")))
    (built / "data/people/45_calibrate/policy.json").write_text(json.dumps(by_group(built, "sex")))
    for gain in evaluated(built)["champion"]["gains"].values():
        assert gain["value"] == 0
    (folder / "policy.json").write_text(json.dumps(by_group(built, "gone")))
    found = evaluated(built)["champion"]
    assert found["outcome"] == "unreadable"
    assert "reads columns that are not there now" in found["note"]
