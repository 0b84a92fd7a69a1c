"""What Prefect's pages show of each report, and of training on its way."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.costs.stage_costs import Cost
from flows.engine.build_record import Outcome
from flows.engine.stage_run import StageResult
from flows.orchestration.artifacts import TrainingProgress, key, max_epochs
from flows.orchestration.report_sheets import cost_sheet, sheet_of
from pipeline.core.paths import Paths


def write(root: Path, stage: str, name: str, content: Any) -> None:
    target = Paths(root, "tiny", stage).output(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content if isinstance(content, str) else json.dumps(content))


def shown(root: Path, stage: str) -> tuple[str, Any]:
    sheet = sheet_of(root, "tiny", stage)
    assert sheet is not None
    return sheet.description, sheet.content


def test_a_broken_expectation_stands_first(tmp_path: Path) -> None:
    kept = {
        "expectation": "expect_column_values_to_not_be_null",
        "column": "age",
        "severity": "warning",
        "success": True,
        "expected": {},
        "observed": None,
        "num_unexpected": 0,
        "share_unexpected": 0.0,
    }
    broken = {
        **kept,
        "column": "sex",
        "success": False,
        "num_unexpected": 3,
        "severity": "critical",
    }
    content = {
        "rows": 10,
        "num_expectations": 2,
        "num_failed_critical": 1,
        "num_failed_warning": 0,
        "expectations": [kept, broken],
    }
    write(tmp_path, "validate", "report.json", content)

    description, rows = shown(tmp_path, "validate")

    assert (
        description
        == "tiny: 2 expectations of the contract on 10 rows: 1 critical and 0 others broken"
    )
    assert [(row["looks at"], row["outcome"], row["found"]) for row in rows] == [
        ("sex", "broken", "3 exceptions (0% of rows)"),
        ("age", "kept", "no exception"),
    ]


def test_training_rows_are_counted_before_and_after(tmp_path: Path) -> None:
    cell = {"label": "yes", "num_rows": 3, "num_rows_after": 5, "weight": 1.0}
    content = {
        "method": "resample",
        "columns": ["sex"],
        "num_rows": 9,
        "num_left_out": 2,
        "num_rows_after": 9,
        "cells": [{"group": {"sex": "F", "race": "a"}, **cell}],
    }
    write(tmp_path, "balance", "report.json", content)

    description, rows = shown(tmp_path, "balance")

    assert description.startswith("tiny: Of the 9 training rows some were repeated and 2 left out")
    assert rows == [
        {
            "group": "F × a",
            "outcome": "yes",
            "rows before": 3,
            "rows after": 5,
            "weight": "1.000",
        }
    ]


def test_thresholds_are_shown_before_and_after_their_mitigation(tmp_path: Path) -> None:
    plain = {"temperature": 1.1, "threshold": 0.5, "num_rows": 4797}
    write(tmp_path, "calibrate", "policy.json", plain)
    description, rows = shown(tmp_path, "calibrate")
    assert description == "tiny: the threshold, chosen on the 4,797 calibration rows"
    assert rows == [{"threshold": "0.5"}]
    came = {"threshold": 0.5, "accuracy": 0.85, "selection_rate": 0.16}
    made = {
        "method": "threshold_optimizer",
        "constraint": "demographic_parity",
        "before": {**came, "gaps": {"sex": {"value": 0.069}}},
        "after": {**came, "accuracy": 0.838, "gaps": {"sex": {"value": 0.003}}},
    }
    write(tmp_path, "calibrate", "policy.json", {**plain, "mitigation": made, "by_group": {}})
    description, rows = shown(tmp_path, "calibrate")
    assert description == (
        "tiny: threshold_optimizer, demographic parity, on the 4,797 calibration rows"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("before", "0.5", "0.850", "0.160", "0.069"),
        ("after", "by group", "0.838", "0.160", "0.003"),
    ]
    assert list(rows[0]) == [
        "mitigation", "threshold", "accuracy", "selection rate", "gap by sex",
    ]  # fmt: skip


def test_gaps_come_with_what_could_have_been_shown_and_in_people(tmp_path: Path) -> None:
    harm = {"group": "b", "reference": "a", "num_people": 7, "out_of": 90, "per_10000": 70}
    gap = {
        "value": 0.08,
        "low": 0.02,
        "high": 0.13,
        "detectable": 0.05,
        "of": "selection_rate",
        "harm": harm,
    }
    of_sex = {"gaps": {"demographic_parity_difference": gap}, "too_small": ["c"]}
    write(tmp_path, "assess", "report.json", {"confidence": 0.95, "model": {"sex": of_sex}})

    _, rows = shown(tmp_path, "assess")

    assert rows == [
        {
            "by": "sex",
            "gap": "Difference in selection rates",
            "value": "0.080",
            "interval": "0.020 to 0.130",
            "smallest gap shown": "0.050",
            "in people": "Were “b” selected as often as “a”, about 7 more of its 90 people would "
            "be selected; 70 in every 10,000 decisions about these groups.",
            "groups left out": "c",
        }
    ]


def test_metrics_come_with_intervals_and_the_baseline(tmp_path: Path) -> None:
    auc = {"roc_auc": {"value": 0.9, "low": 0.88, "high": 0.92}}
    content = {
        "num_rows": 1000,
        "confidence": 0.95,
        "model": {"metrics": auc},
        "baseline": {"name": "trees", "metrics": {"roc_auc": {"value": 0.91}}},
    }
    write(tmp_path, "evaluate", "report.json", content)

    description, rows = shown(tmp_path, "evaluate")

    assert (
        description == "tiny: metrics on 1,000 test rows with 95% intervals; the baseline is trees"
    )
    assert rows == [
        {
            "metric": "Ranking quality (ROC AUC)",
            "value": "0.900",
            "interval": "0.880 to 0.920",
            "baseline": "0.910",
        }
    ]


def test_an_audit_says_what_was_found_above_its_groups(tmp_path: Path) -> None:
    group = {
        "group": {"sex": "f"},
        "num_rows": 1200,
        "share": 0.6,
        "positive_rate": 0.25,
        "positive_rate_low": 0.2,
        "positive_rate_high": 0.3,
        "too_small": False,
    }
    found = {"slice": {"sex": "f", "race": "b"}, "rate": 0.4, "rest": 0.05, "value": 0.35}
    content = {
        "rows": 2000,
        "by": {"sex": [group, {**group, "group": {"sex": "a|b"}, "too_small": True}]},
        "proxies": [{"sentence": "`sex` is not a feature, and yet they give it back."}],
        "given": [{"pairs": [{"reversal": "none", "sentence": "Nothing turns."}]}],
        "slices": [
            {"outcomes": ["suspect label"], "num_tested": 929, "num_found": 3, "found": [found]}
        ],
    }
    write(tmp_path, "audit", "report.json", content)

    assert shown(tmp_path, "audit") == (
        "tiny: who is in the 2,000 training rows, before any model",
        "- sex is not a feature, and yet they give it back.\n"
        "- 3 of 929 slices stand out (suspect label; Holm-corrected); most: sex f, race b, 40.0% "
        "against 5.0% elsewhere\n\n"
        "| by | group | rows | share | outcome | note |\n|---|---|---|---|---|---|\n"
        "| sex | f | 1,200 | 60.0% | 25.0% (20.0% to 30.0%) |  |\n"
        "| sex | a\\|b | 1,200 | 60.0% | 25.0% (20.0% to 30.0%) | too few rows to measure |",
    )


def test_a_verdict_is_told_sentence_by_sentence(tmp_path: Path) -> None:
    rule = {"rule": "accuracy ≥ 0.8", "outcome": "fail", "sentence": "accuracy is 0.7."}
    write(tmp_path, "gate", "verdict.json", {"outcome": "fail", "rules": [rule]})

    assert shown(tmp_path, "gate") == (
        "tiny: verdict: refused",
        "**verdict: refused**\n\n- ✗ accuracy is 0.7.",
    )


def test_a_rehearsal_is_a_table_of_checks(tmp_path: Path) -> None:
    check = {"name": "p99", "outcome": "fail", "expected": "under 50 ms", "found": "60 | 70 ms"}
    write(tmp_path, "rehearse", "report.json", {"outcome": "fail", "checks": [check]})

    description, text = shown(tmp_path, "rehearse")

    assert description == "tiny: rehearsal of the packaged service: failed"
    assert text.splitlines()[-1] == "| p99 | fail | under 50 ms | 60 \\| 70 ms |"


@pytest.mark.parametrize("content", ["{", "[]", '{"rules": {}}'])
def test_a_report_of_another_shape_shows_nothing_and_ends_nothing(
    tmp_path: Path, content: str
) -> None:
    write(tmp_path, "gate", "verdict.json", content)

    assert sheet_of(tmp_path, "tiny", "gate") is None
    assert sheet_of(tmp_path, "tiny", "evaluate") is None  # absent
    assert sheet_of(tmp_path, "tiny", "split") is None  # nothing for people


def test_the_page_is_named_by_its_path(tmp_path: Path) -> None:
    assert sheet_of(tmp_path, "tiny", "report") is None
    write(tmp_path, "report", "report.html", "<html>")

    assert (
        str(tmp_path / "data" / "tiny" / "70_report" / "report.html")
        in shown(tmp_path, "report")[1]
    )


def test_costs_by_stage_and_what_the_cache_saved(tmp_path: Path) -> None:
    used = Cost(36.0, 72.0, 2_000_000_000, "cpu", None, 0.005)
    stages = (
        StageResult("train", "ran", cost=used),
        StageResult("clean", "cached", saved=used),
        StageResult("gate", "skipped"),
    )
    outcome = Outcome(tmp_path, stages, None, used, used, 0, 0, currency="EUR")

    sheet = cost_sheet("tiny", outcome)

    assert sheet.description.startswith("tiny: cost: 36.0 s (processor 72.0 s)")
    assert [list(row.values()) for row in sheet.content if isinstance(row, dict)] == [
        ["train", "ran", "36.0 s", "72.0 s", "2.00 GB", "cpu", "0.0050 EUR", "", ""],
        ["clean", "cached", "", "", "", "", "", "", "36.0 s"],
        ["gate", "skipped", "", "", "", "", "", "", ""],
    ]


def test_keys_are_lowercase_and_dashed() -> None:
    assert key("My_Project 2", "train-progress") == "my-project-2-train-progress"


def test_training_is_shown_epoch_by_epoch_and_an_old_curve_is_not(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    line = '{"epoch": 1, "validation_loss": 0.25}\n'
    write(tmp_path, "train", "curves.jsonl", line * 9)  # of the training before
    progress = TrainingProgress(tmp_path, "tiny", 4, lambda share, text: told.append((share, text)))

    progress.look(False)
    assert told == []
    write(tmp_path, "train", "curves.jsonl", line)
    progress.look(False)
    progress.look(False)  # nothing new
    write(tmp_path, "train", "curves.jsonl", line * 3)
    progress.look(True)

    assert told == [
        (25.0, "tiny: epoch 1 of at most 4, validation loss 0.2500"),
        (100.0, "tiny: epoch 3 of at most 4, validation loss 0.2500"),
    ]


def test_the_number_of_epochs_is_the_projects_or_the_default(tmp_path: Path) -> None:
    file = tmp_path / "data" / "tiny" / "project.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("train:\n  max_epochs: 7\n")
    assert max_epochs(tmp_path, "tiny") == 7
    file.write_text("train: {}\n")
    assert max_epochs(tmp_path, "tiny") == 80
