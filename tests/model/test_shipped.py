"""Data that scikit-learn ships, of several classes and of a number, from a csv to the page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.run.runner import run_stage
from tests.people import set_section
from tests.sklearn_projects import make_shipped

STAGES = (
    "ingest validate clean split audit balance train calibrate evaluate assess explain gate report"
)


@pytest.fixture(scope="module", params=["wine", "diabetes"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp(request.param) / request.param
    make_shipped(root, request.param)
    for stage in STAGES.split():
        run_stage(root, stage, "people")
    return root


def read(root: Path, name: str) -> Any:
    return json.loads((root / "data/people" / name).read_text())


def page_of(root: Path) -> str:
    text = (root / "data/people/70_report/report.html").read_text()
    text = re.sub(r"<(style|svg)\b.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_every_rule_is_decided_on_a_measure_of_the_task(shipped: Path) -> None:
    verdict = read(shipped, "65_gate/verdict.json")
    assert verdict["outcome"] == "pass"
    for rule in verdict["rules"]:
        assert rule["low"] <= rule["value"] <= rule["high"]
        assert f"{rule['value']:.3f}" in rule["sentence"]


def test_groups_are_assessed_by_what_the_task_measures(shipped: Path) -> None:
    assessment = read(shipped, "55_assess/report.json")["model"]
    if shipped.name == "wine":
        entry = assessment["alcohol"]
        assert [group["group"] for group in entry["groups"]] == ["< 13", "≥ 13"]
        assert list(entry["groups"][0]["classes"]) == ["Barbera", "Barolo", "Grignolino"]
        assert entry["gaps"]["demographic_parity_difference"]["class"] == "Grignolino"
    else:
        assert set(assessment["sex"]["gaps"]) == {
            "mean_prediction_difference",
            "mean_residual_difference",
            "mean_absolute_error_difference",
        }


def test_the_page_speaks_of_the_task_and_of_no_positive_outcome(shipped: Path) -> None:
    text = page_of(shipped)
    for words in ("ositive outcome", "decided positive", "decided negative", "threshold was"):
        assert words not in text
    known = {
        "wine": [
            "target: one of “Barbera”, “Barolo” and “Grignolino”",
            "decides for the class with the highest one",
            "F1, mean over classes",
            "“Barolo” against the rest",
            "speaks for the decided class",
        ],
        "diabetes": [
            "target, a number",
            "The model predicts the number itself",
            "Mean absolute error",
            "Predictions by group",
            "Difference in mean errors",
            "raises the prediction",
        ],
    }
    for words in known[shipped.name]:
        assert words in text


def test_a_number_has_a_page_without_roc_and_reliability(shipped: Path) -> None:
    page = (shipped / "data/people/70_report/report.html").read_text()
    for name in ("ROC curve", "Are the probabilities right?"):
        assert (name in page) == (shipped.name == "wine")


def test_the_same_inputs_give_the_same_page(shipped: Path) -> None:
    page = shipped / "data/people/70_report/report.html"
    before = page.read_bytes()
    run_stage(shipped, "report", "people")
    assert page.read_bytes() == before


@pytest.fixture(scope="module")
def served(shipped: Path) -> Path:
    """The same project, packaged and rehearsed."""
    for stage in ("package", "rehearse"):
        run_stage(shipped, stage, "people")
    return shipped


@pytest.mark.slow
def test_the_packaged_service_answers_as_the_model_did_offline(served: Path) -> None:
    report = read(served, "80_rehearse/report.json")
    assert [one for one in report["checks"] if one["outcome"] != "pass"] == []
    assert (report["outcome"], report["num_rows"]) == ("pass", num_test_rows(served))
    found = next(one for one in report["checks"] if one["name"] == "predictions in batches")
    if served.name == "wine":
        assert "offline probabilities of all 3 classes within 1e-05" in found["expected"]
        assert report["max_abs_difference"] <= 1e-5
    else:
        assert "offline numbers within 1e-05 of a standard deviation" in found["expected"]
        assert report["max_abs_difference"] <= 1e-3  # of numbers from 25 to 346


def num_test_rows(root: Path) -> int:
    return int(read(root, "25_split/report.json")["parts"]["test"]["rows"])


@pytest.mark.slow
def test_what_is_packaged_names_the_classes_as_the_data_do(served: Path) -> None:
    service = read(served, "75_package/bento/src/service.json")
    classes = {"wine": ["Barbera", "Barolo", "Grignolino"], "diabetes": []}
    assert service["labels"] == classes[served.name]


OTHERS = {
    "wine": [
        {"measure": "roc_auc", "at_least": 0.5},
        {"measure": "r2", "at_least": 0.5},
        {"measure": "calibration_difference", "by": "alcohol", "at_most": 0.5},
        {"measure": "mean_residual_difference", "by": "alcohol", "at_most": 0.5},
    ],
    "diabetes": [
        {"measure": "accuracy", "at_least": 0.5},
        {"measure": "demographic_parity_difference", "by": "sex", "at_most": 0.5},
    ],
}


def test_a_rule_of_another_task_is_refused(shipped: Path) -> None:
    kept = (shipped / "data/people/project.yaml").read_text()
    try:
        for rule in OTHERS[shipped.name]:
            set_section(shipped, "gate", {"rules": [rule]})
            with pytest.raises(PipelineError, match="expected a measure of the task") as caught:
                run_stage(shipped, "gate", "people")
            assert str(rule["measure"]) in str(caught.value)
            assert "are: " in caught.value.hint
    finally:
        (shipped / "data/people/project.yaml").write_text(kept)
