"""A service whose decisions need a sensitive column: it asks for it, and decides as offline."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from pipeline.core.bento import folder as bento
from pipeline.core.prediction.policy import Policy
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.typed_settings import strictly
from pipeline.rehearse.bad_requests import bad_requests
from pipeline.rehearse.replay import answer_to
from pipeline.service.app import App
from tests.policies_by_group import package_by_group, with_sex
from tests.service.conftest import started

ROW = {"age": "39", "hours": 40.5, "job": "nurse", "sex": "female"}


@pytest.fixture(scope="module")
def home(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_by_group(shutil.copytree(finished, tmp_path_factory.mktemp("grouped") / "root"))


@pytest.fixture(scope="module")
def app(home: Path) -> App:
    return started(home / "75_package/bento")


@pytest.fixture
def client(app: App) -> TestClient:
    return TestClient(app)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def policy(home: Path) -> Policy:
    return Policy.from_dict(json.loads((home / "45_calibrate/policy.json").read_text()))


def test_served_decisions_are_the_offline_ones(client: TestClient, home: Path) -> None:
    """Chance decides about some of them, and the same way in both places."""
    rows = with_sex(pl.read_parquet(home / "25_split/test.parquet"))
    expected = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    report = json.loads((home / "50_evaluate/report.json").read_text())
    assert report["policy"]["num_randomised"] > 20
    assert report["policy"]["num_fallback"] == 0
    decided = expected["decision"].cast(pl.Boolean).to_list()
    whole = client.post("/predict", json=rows).json()["predictions"]
    np.testing.assert_allclose(
        [one["probability"] for one in whole], expected["probability"], atol=1e-6
    )
    assert [one["decision"] for one in whole] == decided
    single = [client.post("/predict", json=row).json()["decision"] for row in rows[:40]]
    assert single == decided[:40]
    backwards = client.post("/predict", json=rows[::-1]).json()["predictions"]
    assert [one["decision"] for one in backwards[::-1]] == decided
    assert [one["label"] for one in whole] == ["high" if yes else "low" for yes in decided]


def test_the_explained_decision_is_the_policys_and_the_group_contributes_nothing(
    client: TestClient, home: Path
) -> None:
    report = json.loads((home / "60_explain/report.json").read_text())
    decided = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    for case in report["cases"]:
        known = decided.filter(pl.col("_row") == case["row"])["decision"].item()
        assert case["decision"] == known
    found = client.post("/explain", json=ROW).json()
    predicted = client.post("/predict", json=ROW).json()
    assert {key: found[key] for key in predicted} == predicted
    assert {one["field"] for one in found["contributions"]} == {"age", "hours", "job"}
    other = client.post("/explain", json={**ROW, "sex": "male"}).json()
    assert other["contributions"] == found["contributions"]
    assert other["probability"] == found["probability"]


def test_a_row_without_it_is_refused_by_name(client: TestClient) -> None:
    for path in ("/predict", "/explain"):
        rest = {key: value for key, value in ROW.items() if key != "sex"}
        answer = client.post(path, json=rest)
        assert answer.status_code == 422
        (finding,) = answer.json()["findings"]
        assert (finding["field"], finding["found"]) == ("sex", "nothing")
        assert finding["expected"] == "one of female, male"
        assert "used for the decision alone" in finding["hint"]
    mixed = client.post("/predict", json=[ROW, rest]).json()["findings"]
    assert [(one["row"], one["field"]) for one in mixed] == [(1, "sex")]


def test_where_it_is_said_to_be_unknown_the_threshold_for_everybody_decides(
    client: TestClient, policy: Policy
) -> None:
    found = client.post("/predict", json={**ROW, "sex": None}).json()
    assert found["decision"] == (found["probability"] >= policy.threshold)
    (warning,) = found["warnings"]
    assert warning.startswith("sex: this group has no thresholds of its own")
    assert client.post("/predict", json=ROW).json()["warnings"] == []


@pytest.mark.parametrize("value", ["martian", 7, True, ["female"]])
def test_a_wrong_value_is_refused_and_not_repeated(client: TestClient, value: Any) -> None:
    answer = client.post("/predict", json={**ROW, "sex": value})
    assert answer.status_code == 422
    (finding,) = answer.json()["findings"]
    assert (finding["field"], finding["found"]) == ("sex", "another value")
    assert "martian" not in answer.text


def test_other_sensitive_columns_are_still_refused(client: TestClient) -> None:
    answer = client.post("/predict", json={**ROW, "region": "north"})
    assert answer.json()["findings"][0]["expected"] == "no such field: the model does not use it"


def test_the_documents_say_what_it_is_for(client: TestClient) -> None:
    schema = client.get("/schema").json()
    assert schema["decides_by"] == ["sex"]
    sex = schema["fields"][-1]
    assert (sex["name"], sex["use"], sex["categories"]) == ("sex", "decision", ["female", "male"])
    assert sex["note"] == "used for the decision alone, not for the probability"
    assert {one["use"] for one in schema["fields"][:-1]} == {"probability"}
    openapi = client.get("/openapi.json").json()
    row = openapi["components"]["schemas"]["Row"]
    assert row["required"] == ["hours", "sex"]
    assert row["properties"]["sex"]["enum"] == ["female", "male", None]
    assert "used for the decision alone" in row["properties"]["sex"]["description"]
    assert "thresholds for each group by sex" in openapi["info"]["description"]
    body = openapi["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert client.post("/predict", json=body["examples"]["one"]["value"]).status_code == 200


def test_every_bad_request_is_answered_as_it_must_be(client: TestClient, home: Path) -> None:
    source = home / "75_package/bento" / bento.SOURCE
    service = json.loads((source / bento.SERVICE).read_text())
    contract = json.loads((source / bento.CONTRACT).read_text())
    columns = strictly(Columns, service["columns"], {})
    made = bad_requests(ROW, columns, contract, 200, 100_000, ("sex",))
    names = {one.name for one in made}
    assert {"nothing of sex, which decides", "an unknown category in sex"} <= names
    assert "the sensitive column region" in names
    assert "the sensitive column sex" not in names
    for bad in made:
        assert answer_to(client, bad) is None, bad.name


def test_the_report_says_what_is_enforced_of_it(home: Path) -> None:
    report = json.loads((home / "75_package/report.json").read_text())
    assert ["sex"] in [one["columns"] for one in report["enforced"]]


@pytest.mark.slow
def test_the_rehearsal_replays_it(home: Path) -> None:
    """The stage, and a rollback, which knows the probabilities alone."""
    from pipeline.core.run.runner import run_stage
    from pipeline.rehearse.stage import Settings, offline, rehearse

    run_stage(home.parents[1], "rehearse", "people")
    report = json.loads((home / "80_rehearse/report.json").read_text())
    failed = [one for one in report["checks"] if one["outcome"] != "pass"]
    assert (report["outcome"], failed) == ("pass", [])
    assert "bad request: nothing of sex, which decides" in [c["name"] for c in report["checks"]]

    folder = home / "75_package/bento"
    rows = pl.read_parquet(home / "10_ingest/snapshot.parquet").head(60)
    again = rehearse(folder, rows, offline(folder, rows), Settings(batch_rows=20))
    assert again["outcome"] == "pass", again["checks"]
