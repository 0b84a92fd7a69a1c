"""The HTTP interface: status codes, limits, token, documents, counters."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipeline.service.app import App
from pipeline.service.batching import Batcher, Saturated
from pipeline.service.predictor import Answer
from pipeline.service.unique_keys import Pairs, check_keys

ROW = {"age": "39", "hours": 40.5, "job": "nurse"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "expected JSON"),
        (b"{", 400, "expected JSON"),
        (b'{"age": NaN}', 400, "expected JSON"),
        (b"\xff\xfe", 400, "expected JSON"),
        (b"[" * 5000, 400, "expected JSON"),
        (b"3", 400, "expected one row, an object"),
        (b'"row"', 400, "expected one row, an object"),
        (b"null", 400, "expected one row, an object"),
        (b"[]", 400, "not empty"),
        (b"[3]", 422, "an object with the model's fields"),
        (json.dumps([ROW] * 201).encode(), 413, "at most 200 rows, got 201"),
        (b'{"job": "' + b"x" * 20_000 + b'"}', 413, "at most 20,000 bytes"),
    ],
)
def test_a_bad_body_is_refused(client: TestClient, body: bytes, status: int, words: str) -> None:
    answer = client.post("/predict", content=body, headers=JSON)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert isinstance(answer.json()["findings"], list)


def test_the_largest_body_and_the_most_rows_are_answered(client: TestClient) -> None:
    body = json.dumps([{"hours": 1.5}] * 200).encode()
    padded = body + b" " * (20_000 - len(body))
    answer = client.post("/predict", content=padded, headers=JSON)
    assert len(answer.json()["predictions"]) == 200


def test_a_body_in_pieces_is_refused_when_it_becomes_too_long(client: TestClient) -> None:
    sent = []

    def pieces() -> Iterator[bytes]:
        for _ in range(4):
            sent.append(1)
            yield b" " * 8000

    answer = client.post("/predict", content=pieces(), headers=JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/predict", 405, "/predict answers POST alone"),
        ("DELETE", "/explain", 405, "/explain answers POST alone"),
        ("POST", "/card", 405, "/card answers GET alone"),
        ("GET", "/nothing", 404, "/predict"),
        ("GET", "/predict/", 404, "/predict"),
    ],
)
def test_wrong_methods_and_paths(
    client: TestClient, method: str, path: str, status: int, words: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    if status == 405:
        assert answer.headers["allow"] in ("GET", "POST")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(client: TestClient, kind: str) -> None:
    answer = client.post("/predict", content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 415


def test_a_charset_beside_the_content_type_is_accepted(client: TestClient) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = client.post("/predict", content=json.dumps(ROW).encode(), headers=headers)
    assert answer.status_code == 200


def test_explain_takes_one_row(client: TestClient) -> None:
    assert client.post("/explain", json=[ROW]).status_code == 400


@pytest.mark.parametrize("header", [None, "Bearer wrong", "secret", "Basic secret", "Bearer é"])
def test_without_the_token_nothing_is_answered(guarded: TestClient, header: str | None) -> None:
    headers = [] if header is None else [(b"authorization", header.encode())]
    for method, path in (("POST", "/predict"), ("POST", "/explain"), ("GET", "/card")):
        answer = guarded.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/schema", "/metrics", "/openapi.json", "/nothing"):
        assert guarded.get(path, headers=headers).status_code == 401


def test_with_the_token_it_is_answered(guarded: TestClient) -> None:
    headers = {"Authorization": "Bearer secret"}
    assert guarded.post("/predict", json=ROW, headers=headers).status_code == 200
    assert guarded.get("/card", headers=headers).status_code == 200
    assert guarded.get("/").status_code == 200  # the form alone, which asks for the token


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer ", "bEARER"])
def test_10_the_scheme_of_the_token_is_read_in_any_case(guarded: TestClient, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} secret"}
    assert guarded.get("/schema", headers=headers).status_code == 200
    assert guarded.get("/schema", headers={"Authorization": f"{scheme}secretx"}).status_code == 401
    assert guarded.get("/schema", headers={"Authorization": f"{scheme} SECRET"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "row", "field"),
    [
        (b'{"age": 3, "age": 4}', 0, "age"),
        (b'{"age": 3, "hours": 1, "\\u0061ge": null}', 0, "age"),
        (b'[{"age": 3}, {"job": "a: b", "hours": 1, "hours": 1}]', 1, "[1].hours"),
        (b'[{"job": {"a": 1, "b": [0, {"c": 1, "c": 1}]}}]', 0, "[0].job.b[1].c"),
        (b'{"a": {"x": 1, "x": 1}, "a": 1}', 0, "a.x"),
        (b'[{"": 1, "": 2}]', 0, "[0]."),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_10_a_key_that_is_named_twice_is_refused_with_its_path(
    client: TestClient, path: str, body: bytes, row: int, field: str
) -> None:
    answer = client.post(path, content=body, headers=JSON)
    found = answer.json()
    assert answer.status_code == 400
    assert f"got {field} twice" in found["error"]
    assert (found["findings"][0]["row"], found["findings"][0]["field"]) == (row, field)


def test_10_keys_that_only_look_alike_are_read(client: TestClient) -> None:
    """Colons in texts, the same keys in other rows, and what is too deep to be rows."""
    assert client.post("/predict", json=[ROW, ROW]).status_code == 200
    found = client.post("/predict", json={**ROW, "job": '"age": 3, "age": 4'})
    assert "twice" not in found.text
    deep = b'{"a":' * 1000 + b"1" + b"}" * 1000
    assert client.post("/predict", content=deep, headers=JSON).status_code in (400, 422)


def test_10_keys_within_many_objects_are_checked_about_as_fast_as_they_are_read() -> None:
    many = ",".join(f'"{number}":1' for number in range(50_000))
    depth = 700
    body = ((f'{{"{"k" * 80}":' * depth) + "{" + many + "}" * (depth + 1)).encode()
    content = json.loads(body)

    def cpu_s(work: Callable[[], object]) -> float:
        before = time.process_time()
        work()
        return time.process_time() - before

    reading = min(cpu_s(lambda: json.loads(body, object_pairs_hook=Pairs)) for _ in range(3))
    assert min(cpu_s(lambda: check_keys(body, content)) for _ in range(3)) < 5 * reading


def called(app: App, messages: list[dict[str, Any]], path: str = "/predict") -> list[Any]:
    """What the application sends to these messages; after them nothing arrives."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(b"content-type", b"application/json")],
    }

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def test_a_body_that_does_not_arrive_is_refused(app: App) -> None:
    sent = called(app, [{"type": "http.request", "body": b"{", "more_body": True}])
    assert sent[0]["status"] == 408


def test_a_client_that_goes_gets_nothing(app: App) -> None:
    begun = {"type": "http.request", "body": b"{", "more_body": True}
    assert called(app, [begun, {"type": "http.disconnect"}]) == []


def test_head_has_no_body(client: TestClient) -> None:
    answer = client.head("/card")
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_card_is_the_report(client: TestClient) -> None:
    answer = client.get("/card")
    assert answer.text == "<title>The card</title>"
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_schema_has_what_a_form_needs(client: TestClient) -> None:
    found = client.get("/schema").json()
    fields = {field["name"]: field for field in found["fields"]}
    assert list(fields) == ["age", "hours", "job"]
    age, hours, job = fields.values()
    assert (age["title"], age["unit"], age["example"]) == ("Age", "years", 39)
    assert (age["minimum"], age["maximum"], age["required"]) == (16, 90, False)
    assert (hours["minimum"], hours["maximum"], hours["required"]) == (0, 100, True)
    assert hours["example"] == 50.0
    assert (job["categories"], job["open"]) == (["clerk", "farmer", "nurse", "smith"], True)
    assert found["labels"] == ["low", "high"]
    assert found["max_rows"] == 200


def test_openapi_describes_every_field(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    assert client.get("/docs.json").json() == found
    row = found["components"]["schemas"]["Row"]
    assert (row["required"], row["additionalProperties"]) == (["hours"], False)
    age = row["properties"]["age"]
    assert (age["type"], age["minimum"], age["maximum"]) == (["number", "null"], 16, 90)
    assert (age["examples"], age["x-unit"]) == ([39], "years")
    assert "in years" in age["description"]
    assert row["properties"]["job"]["x-known-values"] == ["clerk", "farmer", "nurse", "smith"]
    predict = found["paths"]["/predict"]["post"]
    assert set(predict["responses"]) == {"200", "400", "401", "413", "415", "422", "503"}
    body = predict["requestBody"]["content"]["application/json"]
    assert client.post("/predict", json=body["examples"]["one"]["value"]).status_code == 200
    assert client.post("/predict", json=body["examples"]["many"]["value"]).status_code == 200


def test_the_counters_count(client: TestClient) -> None:
    low = client.post("/predict", json=[{**ROW, "hours": 1.0}] * 3).json()["predictions"]
    client.post("/predict", json={"age": 1})
    client.post("/predict", content=b"{", headers=JSON)
    text = client.get("/metrics").text
    assert f'hallmark_predictions_total{{label="{low[0]["label"]}"}} 3.0' in text
    assert 'hallmark_refused_requests_total{reason="invalid_row"} 1.0' in text
    assert 'hallmark_refused_requests_total{reason="not_json"} 1.0' in text
    assert "hallmark_batch_rows_count 2.0" in text
    assert 'hallmark_request_seconds_count{path="/predict"} 1.0' in text


def test_paths_that_are_not_there_make_no_series(client: TestClient) -> None:
    for number in range(50):
        client.get(f"/nothing/{number}")
    text = client.get("/metrics").text
    assert "/nothing" not in text
    assert 'hallmark_refused_requests_total{reason="path"} 50.0' in text


def batcher(answer: Any, batches: list[int], waiting: int = 100) -> Batcher:
    return Batcher(answer, 10, waiting, lambda num_requests, _: batches.append(num_requests))


def echo(requests: Any) -> list[Answer]:
    return [Answer([{"label": str(rows)}], []) for rows in requests]


def test_requests_that_wait_are_answered_together_and_each_gets_its_own() -> None:
    batches: list[int] = []

    async def main() -> list[Answer]:
        one = batcher(echo, batches)
        return list(await asyncio.gather(*(one.submit([number]) for number in range(25))))

    answers = asyncio.run(main())
    assert [one.predictions[0]["label"] for one in answers] == [f"[{n}]" for n in range(25)]
    assert batches == [10, 10, 5]


def test_a_request_larger_than_a_batch_is_one() -> None:
    batches: list[int] = []

    async def main() -> list[Answer]:
        one = batcher(echo, batches)
        return list(await asyncio.gather(one.submit([0] * 30), one.submit([1])))

    asyncio.run(main())
    assert batches == [1, 1]


def test_too_many_waiting_rows_are_turned_away_and_then_taken_again() -> None:
    batches: list[int] = []

    async def main() -> list[Any]:
        one = batcher(echo, batches, waiting=20)
        first = await asyncio.gather(
            *(one.submit([0] * 10) for _ in range(4)), return_exceptions=True
        )
        return [*first, await one.submit([0] * 10)]

    found = asyncio.run(main())
    assert [isinstance(one, Saturated) for one in found] == [False, False, True, True, False]


def test_saturation_is_503_with_the_seconds_to_wait(
    client: TestClient, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: Any) -> Answer:
        raise Saturated

    monkeypatch.setattr(app.batcher, "submit", full)
    answer = client.post("/predict", json=ROW)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_failure_reaches_all_who_waited_and_the_next_are_answered() -> None:
    broken = [True]

    def answer(requests: Any) -> list[Answer]:
        if broken.pop() if broken else False:
            raise RuntimeError("once")
        return echo(requests)

    async def main() -> list[Any]:
        one = batcher(answer, [])
        first = await asyncio.gather(one.submit([1]), one.submit([2]), return_exceptions=True)
        return [*first, await one.submit([3])]

    found = asyncio.run(main())
    assert [type(one) for one in found] == [RuntimeError, RuntimeError, Answer]


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2
    assert "people" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert " style=" not in answer.text
    assert " onclick=" not in answer.text


def test_the_bentos_folder_is_not_written_to(bento_folder: Path, app: App) -> None:
    from pipeline.core.bento import folder as bento

    before = bento.digest(bento_folder)
    app.predictor.answer([[ROW]])
    assert bento.digest(bento_folder) == before
