"""The service's HTTP interface, a plain ASGI application that BentoML mounts.

It does the little that a prediction needs and no more: a framework's routing, request objects and
models would cost more than the prediction does (docs/decisions/0008-how-the-service-is-fast.md).
"""

import asyncio
import gc
import hmac
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

from pipeline.core.errors import ProjectError
from pipeline.service.batching import Batcher, Saturated
from pipeline.service.http import (
    Gone,
    Receive,
    Refusal,
    Response,
    Scope,
    Send,
    answer,
    header,
    invalid,
    saturated,
    whole_body,
)
from pipeline.service.metrics import Metrics
from pipeline.service.openapi import openapi
from pipeline.service.page import Page
from pipeline.service.predictor import Answer, Predictor, load
from pipeline.service.unique_keys import check_keys

PROMETHEUS = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
HTML = (b"content-type", b"text/html; charset=utf-8")
CARD_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)
MAX_EXPLAINING = 64
"""Explanations that are worked on or wait; each takes some hundredths of a second."""


class App:
    """The application; it answers nothing before `start`."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Callable[[Scope, Receive], Awaitable[Response]]] = {
            ("POST", "/predict"): self.predict,
            ("POST", "/explain"): self.explain,
            ("GET", "/"): self.page,
            ("GET", "/card"): self.card,
            ("GET", "/schema"): self.schema,
            ("GET", "/metrics"): self.exposition,
            ("GET", "/openapi.json"): self.openapi,
            ("GET", "/docs.json"): self.openapi,
        }
        self.open = frozenset({"/"})

    def start(
        self,
        folder: Path,
        version: str = "",
        token: str = "",
        registry: Any = None,
        freeze: bool = True,
    ) -> None:
        """Load the model, answer once to have everything imported, and freeze what is loaded.

        Args:
            folder: The bento's source folder.
            version: What the service names itself, where HALLMARK_MODEL_VERSION does not.
            token: What requests must carry, where HALLMARK_TOKEN does not say it; empty for none.
            registry: Where Prometheus counters are registered.
            freeze: Whether to keep the garbage collector from walking what is loaded now.

        Raises:
            PipelineError: the folder does not hold a whole model.
        """
        self.predictor = load(folder)
        self.version = os.environ.get("HALLMARK_MODEL_VERSION") or version
        token = os.environ.get("HALLMARK_TOKEN") or token
        self.token = token.encode()
        limits, answers = self.predictor.limits, self.predictor.answers
        self.metrics = Metrics(registry, answers.buckets())
        is_slow = any(field.is_whole for field in self.predictor.fields)
        self.beside = ThreadPoolExecutor(1, "answers") if is_slow else None
        self.batcher = Batcher(
            self.predictor.answer,
            limits.max_batch_rows,
            limits.max_waiting_rows,
            self.metrics.batch,
            answers.counted,
            self.beside,
        )
        self.explaining, self.num_explaining = asyncio.Lock(), 0
        self.documented = orjson.dumps(openapi(self.predictor, self.version))
        self.shown = Page(self.predictor.project)
        warm_up(self.predictor)
        if freeze:
            gc.collect()
            gc.freeze()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        started = perf_counter()
        path = scope["path"]
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            try:
                self.check_token(scope, path)
                handler = self.routes.get((method, path)) or self.no_route(path)
                response = await handler(scope, receive)
            except Refusal as refusal:
                self.metrics.refused.labels(refusal.reason).inc()
                response = refusal.response
        except Gone:
            return
        await answer(scope, send, response, self.marks())
        if method == "POST" and response.status == 200:
            self.metrics.latency.labels(path).observe(perf_counter() - started)

    async def predict(self, scope: Scope, receive: Receive) -> Response:
        content = await self.json(scope, receive)
        rows = content if isinstance(content, list) else [content]
        limit = self.predictor.limits.max_rows
        if len(rows) > limit:
            raise Refusal(413, "too_many_rows", f"expected at most {limit} rows, got {len(rows)}")
        try:
            answer = await self.batcher.submit(rows)
        except Saturated:
            raise saturated("rows") from None
        check_rows(answer)
        named = {"model_version": self.version, "model_digest": self.predictor.digest}
        if isinstance(content, list):
            return Response(200, orjson.dumps({"predictions": answer.predictions, **named}))
        return Response(200, orjson.dumps({**answer.predictions[0], **named}))

    async def explain(self, scope: Scope, receive: Receive) -> Response:
        content = await self.json(scope, receive)
        if not isinstance(content, dict):
            raise Refusal(400, "not_a_row", "expected one row, an object with the model's fields")
        findings, explain = await self.read(content)
        if findings:
            raise invalid(findings)
        if self.num_explaining >= MAX_EXPLAINING:
            raise saturated("explanations")
        self.num_explaining += 1
        try:
            async with self.explaining:  # one at a time: predictions go on beside it
                found = await asyncio.to_thread(explain)
        finally:
            self.num_explaining -= 1
        named = {"model_version": self.version, "model_digest": self.predictor.digest}
        return Response(200, orjson.dumps({**found, **named}))

    async def read(self, row: Any) -> Any:
        """What `explanation_of` says of a row, where batches are answered."""
        if self.beside is None:
            return self.predictor.explanation_of(row)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.beside, self.predictor.explanation_of, row)

    async def page(self, _scope: Scope, _receive: Receive) -> Response:
        return Response(200, self.shown.html, (HTML, *self.shown.headers))

    async def card(self, _scope: Scope, _receive: Receive) -> Response:
        return Response(200, self.predictor.card, (HTML, (b"content-security-policy", CARD_POLICY)))

    async def exposition(self, _scope: Scope, _receive: Receive) -> Response:
        return Response(200, self.metrics.exposition(), (PROMETHEUS,))

    async def schema(self, _scope: Scope, _receive: Receive) -> Response:
        return Response(200, orjson.dumps(description(self.predictor, self.version)))

    def marks(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header of a model that an override lets break rules; none for others."""
        stated = stated_overrides(self.predictor)
        if not stated:
            return ()
        first = min(stated, key=lambda record: str(record["until"]))
        word = "expired" if first["expired"] else "until"
        return ((b"x-hallmark-override", f"{word} {first['until']}".encode()),)

    async def openapi(self, _scope: Scope, _receive: Receive) -> Response:
        return Response(200, self.documented)

    def no_route(self, path: str) -> Callable[[Scope, Receive], Awaitable[Response]]:
        """Refuse a path that is not there, or is there for other methods."""
        allowed = sorted(method for method, known in self.routes if known == path)
        if allowed:
            words = ", ".join(allowed)
            allow = (b"allow", words.encode())
            raise Refusal(405, "method", f"{path} answers {words} alone", (), (allow,))
        known = ", ".join(sorted({known for _, known in self.routes}))
        raise Refusal(404, "path", f"expected one of the paths {known}")

    def check_token(self, scope: Scope, path: str) -> None:
        """Refuse a request without the bearer token, where one is set."""
        if not self.token or path in self.open:
            return
        scheme, _, given = header(scope, b"authorization").partition(b" ")
        is_right = hmac.compare_digest(given.strip(b" "), self.token)  # in constant time
        if scheme.lower() != b"bearer" or not is_right:
            challenge = (b"www-authenticate", b"Bearer")
            raise Refusal(
                401, "token", "expected the header `Authorization: Bearer …` with the service's "
                "token", (), (challenge,),
            )  # fmt: skip

    async def json(self, scope: Scope, receive: Receive) -> Any:
        """The request's body, an object or a list that is not empty."""
        kind = header(scope, b"content-type").split(b";")[0].strip().lower()
        if kind != b"application/json":
            raise Refusal(
                415, "content_type", "expected the header `Content-Type: application/json`"
            )
        limits = self.predictor.limits
        try:
            async with asyncio.timeout(limits.body_timeout_s):
                body = await whole_body(scope, receive, limits.max_body_bytes)
        except TimeoutError:
            words = f"expected the body within {limits.body_timeout_s:g} seconds"
            raise Refusal(408, "slow_body", words) from None
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refusal(400, "not_json", f"expected JSON, reading it failed: {error}") from None
        if not isinstance(content, dict | list) or content == []:
            raise Refusal(
                400, "not_rows", "expected one row, an object, or a list of rows that is not empty"
            )
        check_keys(body, content)
        return content


def check_rows(answer: Answer) -> None:
    if answer.findings:
        raise invalid(answer.findings)


def description(predictor: Predictor, version: str) -> dict[str, Any]:
    """What /schema says: the fields, what is answered, the limits, and what is overridden."""
    limits = predictor.limits
    return {
        "project": predictor.project,
        "model_version": version,
        "model_digest": predictor.digest,
        **predictor.answers.described(),
        "max_rows": limits.max_rows,
        "max_body_bytes": limits.max_body_bytes,
        **limits.of_values,
        "fields": [
            {**field.as_dict(), "expected": field.expected, "note": field.note}
            for field in predictor.fields
        ],
        "overrides": stated_overrides(predictor),
    }


def stated_overrides(predictor: Predictor) -> list[dict[str, Any]]:
    """Which rules the model may break, by whose word, why and until when; whether that is past."""
    shown = ("rule", "name", "reason", "until")
    if not predictor.overrides:
        return []
    today = datetime.now(UTC).date().isoformat()
    return [
        {**{key: record[key] for key in shown}, "expired": today > record["until"]}
        for record in predictor.overrides
    ]


def warm_up(predictor: Predictor) -> None:
    """Answer the example once, so that no first request waits for imports.

    Raises:
        ProjectError: the example is not valid.
    """
    findings, explain = predictor.explanation_of(predictor.example())
    if findings:
        lines = [f"{one['field']}: expected {one['expected']}" for one in findings]
        raise ProjectError(
            "package.fields: expected examples that the contract accepts",
            findings=lines,
            hint="set `example` of these fields under `package.fields` in project.yaml",
        )
    explain()
    predictor.answer([[predictor.example()]])
