"""What the service answers to rows: predictions as offline, refusals that name field and reason."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from pipeline.core.cleaning import cells
from pipeline.core.prediction.policy import Policy
from pipeline.service.app import App
from tests.bento_inputs import as_delivered

ROW = {"age": "39", "hours": 40.5, "job": "nurse"}


@pytest.fixture(scope="module")
def offline(home: Path) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """The test rows as delivered, and what evaluate predicted for them."""
    test = pl.read_parquet(home / "25_split/test.parquet")
    return as_delivered(test), pl.read_parquet(home / "50_evaluate/predictions.parquet")


def test_many_rows_get_the_offline_predictions(
    client: TestClient, offline: tuple[list[dict[str, Any]], pl.DataFrame]
) -> None:
    rows, expected = offline
    found = client.post("/predict", json=rows).json()["predictions"]
    assert len(found) == len(rows) == 120
    probability = [one["probability"] for one in found]
    np.testing.assert_allclose(probability, expected["probability"], atol=1e-6)
    assert [one["decision"] for one in found] == expected["decision"].cast(pl.Boolean).to_list()
    assert {one["label"] for one in found if one["decision"]} == {"high"}
    assert {one["label"] for one in found if not one["decision"]} == {"low"}


def test_single_rows_get_the_offline_predictions(
    client: TestClient, offline: tuple[list[dict[str, Any]], pl.DataFrame]
) -> None:
    rows, expected = offline
    for row, probability in zip(rows[:40], expected["probability"], strict=False):
        assert client.post("/predict", json=row).json()["probability"] == pytest.approx(
            probability, abs=1e-6
        )


def test_one_row_is_answered_with_the_model_that_answered(client: TestClient, app: App) -> None:
    answer = client.post("/predict", json=ROW)
    assert answer.status_code == 200
    assert set(answer.json()) == {
        "label",
        "probability",
        "decision",
        "warnings",
        "model_version",
        "model_digest",
    }
    assert (answer.json()["model_version"], answer.json()["warnings"]) == ("7", [])
    assert answer.json()["model_digest"] == app.predictor.digest


@pytest.mark.parametrize("age", [39, 39.0, "39", " 39 ", "39.0", "3.9e1"])
def test_a_number_may_be_given_as_number_or_as_delivered(client: TestClient, age: Any) -> None:
    expected = client.post("/predict", json=ROW).json()
    assert client.post("/predict", json={**ROW, "age": age}).json() == expected


@pytest.mark.parametrize(
    "row", [{"hours": 40.5}, {"age": None, "hours": 40.5, "job": "?"}, {"hours": 40.5, "job": " "}]
)
def test_what_may_be_missing_may_be_null_absent_or_a_code(
    client: TestClient, row: dict[str, Any]
) -> None:
    expected = client.post("/predict", json={"age": None, "hours": 40.5, "job": None}).json()
    assert client.post("/predict", json=row).json() == expected


def test_a_level_that_the_contract_only_warns_of_is_answered_as_unknown(client: TestClient) -> None:
    found = client.post("/predict", json={**ROW, "job": "pilot"})
    assert found.status_code == 200
    (warning,) = found.json()["warnings"]
    assert warning.startswith("job: expected one of clerk, farmer, nurse, smith.")
    other = client.post("/predict", json={**ROW, "job": "sailor"}).json()
    assert other["probability"] == found.json()["probability"]


def test_a_rule_that_most_rows_must_keep_warns(client: TestClient) -> None:
    found = client.post("/predict", json={**ROW, "hours": 99.5})
    assert found.status_code == 200
    assert "none of 99.5" in found.json()["warnings"][0]


def test_warnings_stand_with_their_rows(client: TestClient) -> None:
    rows = [ROW, {**ROW, "job": "pilot"}, ROW]
    found = client.post("/predict", json=rows).json()["predictions"]
    assert [len(one["warnings"]) for one in found] == [0, 1, 0]


BAD_ROWS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"age": 5}, "age", "a number from 16 to 90", "5"),
    ({"age": "-3"}, "age", "a number from 16 to 90", "-3"),
    ({"age": "old"}, "age", "a number from 16 to 90", "old"),
    ({"age": True}, "age", "a number from 16 to 90", "true"),
    ({"age": [39]}, "age", "a number from 16 to 90", "[39]"),
    ({"age": {"years": 39}}, "age", "a number from 16 to 90", "an object"),
    ({"age": 10**30}, "age", "a number from 16 to 90", "1e+30"),
    ({"hours": None}, "hours", "a number from 0 to 100", "nothing"),
    ({"hours": 101}, "hours", "a number from 0 to 100", "101"),
    ({"hours": 500}, "hours", "a number from 0 to 100", "500"),
    ({"hours": "40.5"}, "hours", "a number from 0 to 100", "40.5"),
    ({"hours": False}, "hours", "a number from 0 to 100", "false"),
    ({"job": "Pilot!"}, "job", "text that matches ^[a-z]+$", "Pilot!"),
    ({"job": "ox"}, "job", "text of a length from 3 to 20", "ox"),
    ({"job": "x" * 500}, "job", "text of a length from 3 to 20", "x" * 80 + "…"),
    ({"job": 7}, "job", "text that matches ^[a-z]+$", "7"),
    ({"agee": 3}, "agee", "a field that the model has", "another"),
    ({"sex": "male"}, "sex", "no such field: the model does not use it", "a value"),
    ({"income": "high"}, "income", "no such field: the model does not use it", "a value"),
    ({"note": "x"}, "note", "no such field: the model does not use it", "a value"),
]


@pytest.mark.parametrize(("change", "field", "expected", "found"), BAD_ROWS)
def test_a_bad_row_is_refused_by_field_and_reason(
    client: TestClient, change: dict[str, Any], field: str, expected: str, found: str
) -> None:
    for rows, number in (({**ROW, **change}, 0), ([ROW, {**ROW, **change}], 1)):
        answer = client.post("/predict", json=rows)
        assert answer.status_code == 422
        (finding,) = answer.json()["findings"]
        assert (finding["row"], finding["field"]) == (number, field)
        assert finding["expected"] == expected
        assert finding["found"] == found
        assert finding["hint"]
        assert f"row {number}, field {field}" in answer.json()["error"]
    assert client.post("/explain", json={**ROW, **change}).status_code == 422


def test_a_missing_field_that_must_be_there_is_named(client: TestClient) -> None:
    answer = client.post("/predict", json={"age": 39})
    (finding,) = answer.json()["findings"]
    assert (finding["field"], finding["found"]) == ("hours", "nothing")


def test_the_nearest_field_is_named(client: TestClient) -> None:
    answer = client.post("/predict", json={**ROW, "hour": 1})
    assert answer.json()["findings"][0]["hint"] == "did you mean `hours`?"


def test_every_problem_of_all_rows_is_told_up_to_ten(client: TestClient) -> None:
    found = client.post("/predict", json=[{"age": 5, "hours": -1, "x": 1}, {}, 3]).json()
    assert [(one["row"], one["field"]) for one in found["findings"]] == [
        (0, "x"),
        (0, "age"),
        (0, "hours"),
        (1, "hours"),
        (2, ""),
    ]
    assert len(client.post("/predict", json=[{}] * 30).json()["findings"]) == 10


def test_a_bad_request_does_not_touch_others_in_its_batch(app: App) -> None:
    good, bad = app.predictor.answer([[ROW, ROW]])[0], [{"age": 5}]
    mixed = app.predictor.answer([[ROW], bad, [ROW, ROW], bad])
    assert [bool(one.findings) for one in mixed] == [False, True, False, True]
    assert [len(one.predictions) for one in mixed] == [1, 0, 2, 0]
    for one in (*mixed[0].predictions, *mixed[2].predictions):
        assert one["probability"] == pytest.approx(good.predictions[0]["probability"], abs=1e-7)


def test_the_explanation_adds_up_to_the_logit(client: TestClient, app: App) -> None:
    found = client.post("/explain", json=ROW).json()
    predicted = client.post("/predict", json=ROW).json()
    assert {key: found[key] for key in predicted} == predicted
    assert (found["unit"], len(found["contributions"])) == ("logits", 3)
    sizes = [abs(one["contribution"]) for one in found["contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    values = {one["field"]: one["value"] for one in found["contributions"]}
    assert values == ROW
    policy: Policy = app.predictor.policy
    odds = found["probability"] / (1 - found["probability"])
    logit = np.log(odds) * policy.temperature
    total = sum(one["contribution"] for one in found["contributions"])
    assert logit - total == pytest.approx(reference_logit(app), abs=0.05)


def reference_logit(app: App) -> float:
    """The network's logit at the stored reference."""
    import torch

    values = app.predictor.reference["values"]
    with torch.no_grad():
        inputs = [torch.tensor([one], dtype=torch.float32) for one in values]
        return float(app.predictor.model.network.from_embedded(*inputs))


def test_the_reference_is_the_one_of_the_report(home: Path, app: App) -> None:
    """The first row that the report explains gets the same contributions from the service."""
    import json

    report = json.loads((home / "60_explain/report.json").read_text())
    test = pl.read_parquet(home / "25_split/test.parquet")
    for case in report["cases"]:
        row = as_delivered(test.filter(pl.col("_row") == case["row"]))[0]
        _, explain = app.predictor.explanation_of(row)
        found = {one["field"]: one["contribution"] for one in explain()["contributions"]}
        for one in case["attributions"]:
            assert found[one["column"]] == pytest.approx(one["attribution"], abs=1e-4)


def test_what_is_remembered_stays_bounded(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MAX_REMEMBERED", 50)
    expected = app.predictor.answer([[ROW]])[0].predictions[0]["probability"]
    for start in range(0, 1000, 20):
        rows = [{"hours": (start + i) / 10, "job": "a" * 200} for i in range(20)]
        app.predictor.answer([rows])
    for column in app.predictor.reader.cells.columns:
        assert len(column.known) <= 50
        assert all(len(key) <= 100 for key in column.known if isinstance(key, str))
    again = app.predictor.answer([[ROW]])[0].predictions[0]["probability"]
    assert again == expected
