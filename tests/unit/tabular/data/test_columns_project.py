"""A table of all that a column can be goes through every stage and is served as it was measured."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from pipeline.core.files import read_json
from pipeline.core.paths import READING_ORDER, Paths
from pipeline.core.run.runner import run_stage
from pipeline.rehearse.replay import as_requests
from tests import loans as difficult
from tests.loans import COLUMNS, NEEDED, NOTHING, OPENED, SEEN, SINCE, SIZE, WEIGHT, WHO
from tests.service.conftest import started

STAGES = READING_ORDER[: READING_ORDER.index("rehearse")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with all stages run but the last."""
    folder = tmp_path_factory.mktemp("difficult")
    difficult.make_difficult(folder)
    for stage in STAGES:
        run_stage(folder, stage, "people")
    return folder


@pytest.fixture(scope="module")
def client(root: Path) -> TestClient:
    bento = Paths(root, "people", "package").output("bento")
    return TestClient(started(bento))  # type: ignore[arg-type]


def report(root: Path, stage: str, name: str = "report.json") -> Any:
    return read_json(Paths(root, "people", stage).output(name))


def offline(root: Path) -> tuple[list[dict[str, Any]], list[float]]:
    """Test rows as JSON delivers them, and the probabilities that `evaluate` wrote."""
    found = pl.read_parquet(Paths(root, "people", "evaluate").output("predictions.parquet"))
    names = [*COLUMNS["numeric"], *COLUMNS["categorical"], *COLUMNS["dates"]]
    snapshot = pl.read_parquet(Paths(root, "people", "ingest").output("snapshot.parquet"))
    rows = as_requests(snapshot[found["_row"].to_list()].select(names))
    return rows, found["probability"].to_list()


def test_the_service_predicts_rows_as_delivered_as_evaluate_did(
    root: Path, client: TestClient
) -> None:
    rows, expected = offline(root)
    assert len(rows) > 150
    assert all(row[NEEDED] is not None for row in rows)
    answer = client.post("/predict", json=rows).json()
    found = [one["probability"] for one in answer["predictions"]]
    assert found == pytest.approx(expected, abs=1e-6)
    assert min(expected) < 0.1 < 0.9 < max(expected)


def test_every_change_of_a_row_is_in_the_ledger(root: Path) -> None:
    ledger = report(root, "clean", "ledger.json")
    assert (ledger["rows_in"], ledger["rows_out"]) == (600, 570)
    last = ledger["rules"][-1]
    assert (last["name"], last["rows_dropped"]) == (f"rows without {NEEDED}", 30)


def test_the_model_learns_from_such_columns(root: Path) -> None:
    assert report(root, "evaluate", "metrics.json")["roc_auc"] > 0.7
    explained = {one["column"]: one["mean_absolute"] for one in report(root, "explain")["ranking"]}
    assert set(explained) == {*COLUMNS["numeric"], *COLUMNS["categorical"], *COLUMNS["dates"]}
    assert explained[NOTHING] == 0
    assert explained[OPENED] > 0.05
    assert report(root, "evaluate")["baseline"]["metrics"]["roc_auc"]["value"] > 0.6


def test_the_page_says_what_missing_values_and_weights_are_and_shows_nobody(root: Path) -> None:
    page = Paths(root, "people", "report").output("report.html").read_text(encoding="utf-8")
    assert "no training row has a value: the column tells the model nothing" in page
    assert "the median, 2017-" in page
    assert "In training a row weighs what wt. says" in page
    assert "Größe &#34;m²&#34; [2]" in page
    assert "group &amp; &lt;i&gt;" in page
    assert "<script>" not in page
    profile = json.dumps(report(root, "ingest", "profile.json"))
    assert "person 1" not in page + profile


def test_fields_say_how_dates_and_booleans_are_written(client: TestClient) -> None:
    fields = {one["name"]: one for one in client.get("/schema").json()["fields"]}
    assert fields[OPENED]["expected"] == "a date, written like 31.12.2024"
    assert fields[SINCE]["expected"] == "a date, written like 2024-12-31"
    assert fields[SEEN]["example"] == "2024-12-31T00:00:00"
    assert fields[difficult.ANSWER]["categories"] == ["true", "false"]
    assert fields[difficult.FLAG]["categories"] == [True, False]
    assert fields[NEEDED]["required"]
    assert not {WHO, WEIGHT, difficult.TARGET} & set(fields)
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert row["properties"][SINCE]["format"] == "date"
    assert row["properties"][difficult.FLAG]["type"] == ["boolean", "null"]
    assert row["required"] == [NEEDED]


def asked(client: TestClient, row: dict[str, Any], **changes: Any) -> Any:
    return client.post("/predict", json={**row, **changes})


def test_a_row_without_a_needed_value_is_refused_with_the_reason(
    root: Path, client: TestClient
) -> None:
    rows, _ = offline(root)
    for row in ({**rows[0], NEEDED: None}, {k: v for k, v in rows[0].items() if k != NEEDED}):
        answer = client.post("/predict", json=row)
        assert answer.status_code == 422
        [finding] = answer.json()["findings"]
        assert finding["field"] == NEEDED
        assert "rows without one were dropped before training" in finding["expected"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (SINCE, "31.12.2024"),
        (SINCE, 20241231),
        (SEEN, "yesterday"),
        (OPENED, "2024-12-31"),
        (difficult.FLAG, "true"),
        (difficult.ANSWER, "perhaps"),
        (SIZE, "1.5"),
        (NOTHING, "a word"),
    ],
)
def test_a_value_in_another_writing_is_refused_by_field(
    root: Path, client: TestClient, name: str, value: Any
) -> None:
    rows, _ = offline(root)
    answer = asked(client, rows[0], **{name: value})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["findings"]] == [name]


def test_one_value_in_several_writings_is_one_value(root: Path, client: TestClient) -> None:
    row = offline(root)[0][0]

    def probability(**changes: Any) -> float:
        answer = asked(client, row, **changes)
        assert answer.status_code == 200, answer.text
        return float(answer.json()["probability"])

    assert probability(**{SIZE: "1.234,50"}) == probability(**{SIZE: 1234.5})
    assert probability(**{difficult.ANSWER: "JA"}) == probability(**{difficult.ANSWER: " yes"})
    assert probability(**{SEEN: "2020-03-01T12:00:00Z"}) == probability(
        **{SEEN: "2020-03-01 13:00:00+01:00"}
    )
    # A later year is the outer bin; month, day and weekday (a Sunday) are the same in both.
    assert probability(**{SINCE: "2100-01-31"}) == probability(**{SINCE: "2106-01-31"})


def test_an_unseen_level_is_answered_with_a_warning(root: Path, client: TestClient) -> None:
    answer = asked(client, offline(root)[0][0], **{difficult.MANY: "never seen"})
    assert answer.status_code == 200
    assert any("never seen" in one for one in answer.json()["warnings"])


def test_an_explanation_has_one_value_for_each_delivered_column(
    root: Path, client: TestClient
) -> None:
    row = offline(root)[0][0]
    answer = client.post("/explain", json=row).json()
    given = {one["field"]: one["value"] for one in answer["contributions"]}
    assert given == row


@pytest.mark.slow
def test_the_rehearsal_finds_the_offline_predictions(root: Path) -> None:
    run_stage(root, "rehearse", "people")
    found = report(root, "rehearse")
    assert [one for one in found["checks"] if one["outcome"] != "pass"] == []
    assert found["max_abs_difference"] <= 1e-6
