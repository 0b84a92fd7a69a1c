"""The service of a model of several classes, and of one of numbers: answers, documents, metrics."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.run.runner import run_stage
from pipeline.core.settings.project import load_project
from pipeline.package.stage import SECTIONS, Settings, as_text, gather
from pipeline.rehearse.bad_requests import bad_requests
from pipeline.rehearse.replay import answer_to
from pipeline.rehearse.stage import offline
from pipeline.service.answers import ClassAnswers, NumberAnswers
from pipeline.service.app import App
from tests.bento_inputs import FIELDS, as_delivered, write_inputs
from tests.people import make_task_project, set_section

ROW = {"age": "39", "hours": 40.5, "job": "nurse"}
GRADES = ["low", "middle", "top"]
NOTHING: Any = (np.zeros((0, 0)), np.zeros((0, 0)))


@pytest.fixture(scope="module", params=["multiclass", "regression"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project whose bento's source lies in `source`; no bento is made of it."""
    root = tmp_path_factory.mktemp(request.param) / request.param
    folder = make_task_project(root, request.param)
    for stage in ("train", "calibrate", "evaluate", "explain"):
        run_stage(root, stage, "people")
    write_inputs(root)
    (folder / "65_gate").mkdir()
    (folder / "65_gate/verdict.json").write_text('{"outcome": "pass"}')
    set_section(root, "package", {"fields": FIELDS, "max_rows": 200, "max_body_bytes": 100_000})
    project = load_project(root, "people", "package", Settings, SECTIONS)
    gather(project, Paths(root, "people", "package"), folder / "bento/src")
    return folder


@pytest.fixture(scope="module")
def app(home: Path) -> App:
    made = App()
    made.start(home / "bento/src", "7", registry=CollectorRegistry(), freeze=False)
    return made


@pytest.fixture
def client(app: App) -> TestClient:
    return TestClient(app)  # type: ignore[arg-type]


def is_number(home: Path) -> bool:
    return home.parents[1].name == "regression"


def test_of_several_classes_the_likeliest_is_decided() -> None:
    """Logits ln 1, ln 2, ln 5: probabilities 1/8, 2/8, 5/8; at half the temperature squared."""
    outputs = np.log([[1.0, 2.0, 5.0], [4.0, 1.0, 4.0]])
    first, tie = ClassAnswers(OutputPolicy(1.0), GRADES).of(outputs, NOTHING, [])
    assert first == {
        "label": "top",
        "probability": 0.625,
        "probabilities": {"low": 0.125, "middle": 0.25, "top": 0.625},
        "warnings": [],
    }
    assert tie["label"] == "low"
    cold = ClassAnswers(OutputPolicy(0.5), GRADES).of(outputs, NOTHING, [])[0]
    assert list(cold["probabilities"].values()) == pytest.approx([1 / 30, 4 / 30, 25 / 30])


def test_a_number_is_answered_in_the_targets_units() -> None:
    """Half a deviation of 10 above a mean of 100, and two below, to what 32 bits can tell."""
    answers = NumberAnswers(Outcome("regression", mean=100.0, scale=10.0), "wage")
    found = answers.of(np.array([0.5, -2.0, 1 / 3]), NOTHING, [])
    assert [one["prediction"] for one in found] == [105.0, 80.0, 103.333333]
    assert set(found[0]) == {"prediction", "warnings"}


def test_rows_get_the_offline_answers(client: TestClient, home: Path) -> None:
    test = pl.read_parquet(home / "25_split/test.parquet")
    known = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    found = client.post("/predict", json=as_delivered(test)).json()["predictions"]
    assert len(found) == 120
    if is_number(home):
        said = [one["prediction"] for one in found]
        np.testing.assert_allclose(said, known["prediction"], atol=1e-3)  # of some 300
        return
    assert [one["label"] for one in found] == known["decision"].to_list()
    said = [list(one["probabilities"].values()) for one in found]
    np.testing.assert_allclose(said, known["probabilities"].to_list(), atol=1e-6)
    for one in found:
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-8)
        assert one["probability"] == max(one["probabilities"].values())
        assert one["probabilities"][one["label"]] == one["probability"]


def test_the_answer_is_what_the_network_says(client: TestClient, home: Path, app: App) -> None:
    """The network asked by itself with torch, its softmax or its units worked out here."""
    import torch

    model = prediction.load(home / "40_train", "tabular")
    codes = app.predictor.reader.read([[ROW]]).codes
    inputs = [torch.from_numpy(one) for one in app.predictor.reader.encoded(codes)]
    with torch.no_grad():
        output = model.network(*inputs).double()[0]
    found = client.post("/predict", json=ROW).json()
    assert set(found) - {"warnings", "model_version", "model_digest"} == (
        {"prediction"} if is_number(home) else {"label", "probability", "probabilities"}
    )
    if is_number(home):
        known = json.loads((home / "40_train/model.json").read_text())["outcome"]
        expected = float(output) * known["scale"] + known["mean"]
        assert found["prediction"] == pytest.approx(expected, abs=1e-3)
        return
    temperature = json.loads((home / "45_calibrate/policy.json").read_text())["temperature"]
    expected = torch.softmax(output / temperature, 0).tolist()
    assert list(found["probabilities"]) == GRADES
    assert list(found["probabilities"].values()) == pytest.approx(expected, abs=1e-6)


def test_the_explanation_adds_up_in_its_own_unit(client: TestClient, home: Path, app: App) -> None:
    """To the decided class's logit, or to the number: beyond that of the stored reference."""
    import torch

    found = client.post("/explain", json=ROW).json()
    predicted = client.post("/predict", json=ROW).json()
    assert {key: found[key] for key in predicted} == predicted
    total = sum(one["contribution"] for one in found["contributions"])
    values = app.predictor.reference["values"]
    codes = app.predictor.reader.read([[ROW]]).codes
    inputs = [torch.from_numpy(one) for one in app.predictor.reader.encoded(codes)]
    network = app.predictor.model.network
    with torch.no_grad():
        there = network.from_embedded(*(torch.tensor([v], dtype=torch.float32) for v in values))[0]
        here = network(*inputs)[0]
    if is_number(home):
        scale = app.predictor.model.outcome.scale
        assert found["unit"] == "units of wage"
        assert total == pytest.approx(float(here - there) * scale, abs=0.05 * scale)
        return
    decided = GRADES.index(found["label"])
    assert found["unit"] == "logits of the decided class"
    assert total == pytest.approx(float(here[decided] - there[decided]), abs=0.05)


def test_the_service_explains_as_the_report_does(home: Path, app: App) -> None:
    report = json.loads((home / "60_explain/report.json").read_text())
    test = pl.read_parquet(home / "25_split/test.parquet")
    for case in report["cases"]:
        row = as_delivered(test.filter(pl.col("_row") == case["row"]))[0]
        _, explain = app.predictor.explanation_of(row)
        found = {one["field"]: one["contribution"] for one in explain()["contributions"]}
        for one in case["attributions"]:
            assert found[one["column"]] == pytest.approx(one["attribution"], rel=1e-3, abs=1e-3)


def test_the_documents_say_what_the_task_answers(client: TestClient, home: Path) -> None:
    schema, document = client.get("/schema").json(), client.get("/openapi.json").json()
    for text in (json.dumps(schema), json.dumps(document)):
        assert "positive" not in text
        assert "threshold" not in text
    answer = document["components"]["schemas"]["Prediction"]["properties"]
    contributions = document["components"]["schemas"]["Explanation"]["properties"]
    told = contributions["contributions"]["items"]["properties"]["contribution"]["description"]
    if is_number(home):
        assert (schema["task"], schema["target"], "labels" in schema) == (
            "regression", "wage", False,
        )  # fmt: skip
        assert answer["prediction"]["description"] == (
            "What wage is predicted to be, in its own units"
        )
        assert told == "In units of wage"
    else:
        assert (schema["task"], schema["labels"]) == ("multiclass", GRADES)
        assert answer["label"]["enum"] == GRADES
        assert answer["probabilities"]["required"] == GRADES
        assert told == "In logits of the decided class"
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        assert client.post("/predict", json=example["value"]).status_code == 200


def test_an_answer_keeps_the_documented_schema(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answers = {
        "Prediction": client.post("/predict", json=ROW).json(),
        "Predictions": client.post("/predict", json=[ROW]).json(),
        "Explanation": client.post("/explain", json=ROW).json(),
    }
    for name, answer in answers.items():
        keeps(answer, schemas[name])


def keeps(value: Any, schema: dict[str, Any]) -> None:
    """Check the few words of JSON Schema that the document has."""
    if "const" in schema:
        assert value == schema["const"]
    if "enum" in schema:
        assert value in schema["enum"]
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float)}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]])
    if schema.get("type") == "object":
        assert sorted(value) == sorted(schema["required"])
        for key, one in schema["properties"].items():
            keeps(value[key], one)
    for one in value if schema.get("type") == "array" else ():
        keeps(one, schema["items"])


def test_what_is_predicted_is_counted(client: TestClient, home: Path) -> None:
    def counted() -> dict[str, float]:
        lines = re.findall(r"^(hallmark_predict\S+) (\S+)$", client.get("/metrics").text, re.M)
        return {name: float(value) for name, value in lines}

    before = counted()
    rows = as_delivered(pl.read_parquet(home / "25_split/test.parquet"))
    found = client.post("/predict", json=rows).json()["predictions"]
    after = counted()
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    if not is_number(home):
        decided = [one["label"] for one in found]
        assert len(set(decided)) > 1
        for grade in set(decided):
            name = f'hallmark_predictions_total{{label="{grade}"}}'
            assert grown[name] == decided.count(grade)
        return
    said = np.array([one["prediction"] for one in found])
    assert grown["hallmark_predictions_total"] == 120
    assert grown["hallmark_predicted_number_sum"] == pytest.approx(said.sum(), rel=1e-6)
    bounds = [re.findall(r'le="(.*)"', name) for name in grown]
    for (bound,) in filter(None, bounds):
        name = f'hallmark_predicted_number_bucket{{le="{bound}"}}'
        assert grown[name] == (said <= float(bound.replace("+Inf", "inf"))).sum()
    assert sum(map(bool, bounds)) == 14


def test_every_bad_request_is_answered_as_it_must_be(client: TestClient, home: Path) -> None:
    contract = json.loads((home / "bento/src/contract.json").read_text())
    project = load_project(home.parents[1], "people", "package", Settings, SECTIONS)
    made = bad_requests(ROW, project.columns, contract, 200, 100_000)
    assert f"the unused column {project.columns.target}" in {one.name for one in made}
    for bad in made:
        assert answer_to(client, bad) is None, bad.name


def test_the_page_has_words_for_every_task(client: TestClient) -> None:
    text = client.get("/").text
    for words in ("in its own units", "The class with the highest probability", "predicted number"):
        assert words in text


def test_offline_answers_of_the_source_are_those_that_evaluate_wrote(home: Path) -> None:
    known = pl.read_parquet(home / "50_evaluate/predictions.parquet")
    rows = pl.DataFrame(as_delivered(pl.read_parquet(home / "25_split/test.parquet")))
    found = offline(home / "bento", rows)
    expected = known["prediction" if is_number(home) else "probabilities"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (0, "0"), (1.5, "1.5"), ("No", "No")]
)
def test_a_contracts_value_is_named_as_a_cell_is(value: Any, text: str) -> None:
    assert as_text(value) == text == pl.Series([value]).cast(pl.String).item()
