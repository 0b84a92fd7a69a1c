"""Measures by group equal Fairlearn's and pandas' on raw rows."""

from typing import Any

import fairlearn.metrics
import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeline.core.fairness import GAPS, by_group, cells, gaps, group_names

HOW: dict[str, Any] = {"confidence": 0.95, "num_replicates": 200, "seed": 0}


def rows(num: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    group = rng.choice(["a", "b", "c"], num, p=[0.5, 0.4, 0.1])
    label = (rng.random(num) < 0.4).astype(int)
    decision = (rng.random(num) < 0.3 + 0.3 * label + 0.1 * (group == "b")).astype(int)
    return pd.DataFrame({"group": group, "label": label, "decision": decision})


def counted(table: pd.DataFrame) -> pd.DataFrame:
    return cells(table["label"].to_numpy(), table["decision"].to_numpy(), table["group"])


@pytest.mark.parametrize("measure", GAPS)
def test_gaps_equal_fairlearns_on_rows(measure: str) -> None:
    table = rows()
    function = getattr(fairlearn.metrics, measure)
    known = function(table["label"], table["decision"], sensitive_features=table["group"])
    found = gaps(counted(table), **HOW)[measure]
    assert found["value"] == pytest.approx(known, abs=1e-6)
    assert found["low"] <= found["value"] <= found["high"]


def test_group_rates_equal_pandas() -> None:
    table = rows()
    found = {one["group"]: one for one in by_group(counted(table), 60, 0.9)}
    assert list(found) == ["a", "b", "c"]
    for name, part in table.groupby("group"):
        known = {
            "selection_rate": part["decision"].mean(),
            "true_positive_rate": part.loc[part["label"] == 1, "decision"].mean(),
            "false_positive_rate": part.loc[part["label"] == 0, "decision"].mean(),
            "precision": part.loc[part["decision"] == 1, "label"].mean(),
            "accuracy": (part["decision"] == part["label"]).mean(),
        }
        entry = found[str(name)]
        assert entry["num_rows"] == len(part)
        assert entry["too_small"] == (len(part) < 60)
        for measure, value in known.items():
            assert entry[measure]["value"] == pytest.approx(value, abs=1e-6)
            assert entry[measure]["low"] < entry[measure]["value"] < entry[measure]["high"]


def test_a_rate_of_nobody_is_none_between_zero_and_one() -> None:
    table = pd.DataFrame({"group": ["a", "a"], "label": [0, 0], "decision": [0, 0]})
    entry = by_group(counted(table), 1, 0.9)[0]
    for measure in ("true_positive_rate", "precision"):
        assert entry[measure] == {"value": None, "low": 0, "high": 1}
    assert entry["selection_rate"]["value"] == 0


def test_a_model_that_selects_nobody_has_no_gap() -> None:
    table = rows().assign(decision=0)
    found = gaps(counted(table), **HOW)
    assert found["demographic_parity_difference"]["value"] == 0
    for measure in ("demographic_parity_ratio", "equalized_odds_ratio"):
        assert found[measure]["value"] == 1
        assert found[measure]["low"] < 0.9


def test_a_group_without_positives_leaves_equalized_odds_open() -> None:
    table = rows()
    table.loc[table["group"] == "c", "label"] = 0
    found = gaps(counted(table), **HOW)
    assert found["equalized_odds_difference"]["high"] == 1
    assert found["equalized_odds_ratio"]["low"] == 0
    assert found["demographic_parity_difference"]["high"] < 0.5
    for one in found.values():
        assert one["low"] <= one["value"] <= one["high"]


def test_nobody_positive_at_all_gives_numbers() -> None:
    found = gaps(counted(rows().assign(label=0)), **HOW)
    assert found["equalized_odds_difference"]["high"] == 1
    assert all(np.isfinite(value) for one in found.values() for value in one.values())


def test_the_noise_floor_is_the_bound_of_equal_groups() -> None:
    # 100 of 200 and 100 of 200: nothing differs, so the floor is the bound itself.
    table = pd.DataFrame(
        {"group": ["a", "b"] * 200, "label": [0] * 400, "decision": [0, 0, 1, 1] * 100}
    )
    found = gaps(counted(table), **HOW)["demographic_parity_difference"]
    assert found["value"] == found["low"] == 0
    assert found["noise_floor"] == found["high"]
    # Two rates of a half, 200 rows each: standard error 0.05.
    assert 1.6 * 0.05 < found["noise_floor"] < 2.2 * 0.05


def test_groups_are_named_by_their_values() -> None:
    table = pl.DataFrame({"sex": ["f", None], "age": [30, 41], "ok": [True, False]})
    assert group_names(table, ("sex",)).to_list() == ["f", "(missing)"]
    crossed = group_names(table, ("sex", "age", "ok"))
    assert crossed.to_list() == ["f × 30 × true", "(missing) × 41 × false"]
    assert crossed.name == "sex × age × ok"
