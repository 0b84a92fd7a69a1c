"""The audit shows every group, drops none, and names the widest gap."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.audit import Settings, audited, run
from pipeline.core.errors import ProjectError
from pipeline.core.paths import Paths
from pipeline.core.project import Columns, Project

COLUMNS = Columns(
    target="label", positive="yes", numeric=("x",), sensitive=("sex", "race"), drop={"z": "unused"}
)
# sex F: 4 rows, 1 positive; M: 5 rows, 4 positive; without a sex: 1 row, positive.
TABLE = pl.DataFrame(
    {
        "sex": ["F", "F", "F", "F", "M", "M", "M", "M", "M", None],
        "race": ["a", "a", "b", "b", "a", "a", "a", "b", "b", "b"],
        "x": [1, None, None, 1, 1, 1, 1, 1, None, 1],
        "z": [None] * 10,
        "label": ["yes", "no", "no", "no", "yes", "yes", "yes", "yes", "no", "yes"],
    }
)


def test_groups_are_counted_and_small_ones_flagged_not_dropped() -> None:
    report = audited(TABLE, COLUMNS, Settings(min_group_size=4))
    assert list(report["by"]) == ["sex", "race", "sex × race"]
    female, male, unknown = report["by"]["sex"]
    assert female == {
        "group": {"sex": "F"},
        "num_rows": 4,
        "share": 0.4,
        "num_positive": 1,
        "positive_rate": 0.25,
        # Wilson's interval of 1 in 4 at 95 %, by R's prop.test(1, 4, correct = FALSE).
        "positive_rate_low": pytest.approx(0.045587, abs=1e-6),
        "positive_rate_high": pytest.approx(0.699358, abs=1e-6),
        "missing": {"x": 0.5},
        "too_small": False,
    }
    assert (male["num_rows"], male["positive_rate"], male["missing"]) == (5, 0.8, {"x": 0.2})
    assert (unknown["group"], unknown["num_rows"], unknown["too_small"]) == ({"sex": None}, 1, True)


def test_missingness_of_a_sensitive_column_is_shown_by_the_other() -> None:
    by_race = audited(TABLE, COLUMNS, Settings())["by"]["race"]
    assert [group["missing"] for group in by_race] == [
        {"x": 0.2, "sex": 0.0},
        {"x": 0.4, "sex": 0.2},
    ]


def test_the_gap_is_between_groups_that_are_large_enough() -> None:
    gaps = audited(TABLE, COLUMNS, Settings(min_group_size=4))["gaps"]
    assert gaps["sex"] == {
        "positive_rate_difference": 0.55,
        "highest": {"sex": "M"},
        "lowest": {"sex": "F"},
        "num_groups": 2,
        "num_too_small": 1,
    }
    assert gaps["sex × race"] is None
    everyone = audited(TABLE, COLUMNS, Settings(min_group_size=1))["gaps"]
    assert everyone["sex"]["positive_rate_difference"] == 0.75  # the row without a sex counts now


def test_without_sensitive_columns_there_is_nothing_to_audit() -> None:
    with pytest.raises(ProjectError, match=r"columns\.sensitive"):
        audited(TABLE, Columns(target="label", positive="yes", numeric=("x",)), Settings())


def test_the_stage_writes_its_report(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "one", "audit")
    source = paths.input("split", "train.parquet")
    source.parent.mkdir(parents=True)
    TABLE.write_parquet(source)
    run(Project("one", "tabular", Settings(), {"columns": COLUMNS}), paths)
    report = json.loads(paths.output("report.json").read_text())
    assert (report["min_group_size"], report["rows"]) == (200, 10)
    assert all(group["too_small"] for group in report["by"]["sex × race"])
