"""Ask a service for predictions of rows as they were delivered, and time its answers."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import polars as pl

from pipeline.core.scoring.offline import Read
from pipeline.rehearse.bad_requests import JSON, BadRequest, encoded

PIECE_BYTES = 65_536
MAX_SHOWN = 3
PERCENTILES = (50, 95, 99)

Row = Mapping[str, Any]


@dataclass
class Replay:
    """What a service answered.

    Attributes:
        read: Takes an answer's parts, each there and of its type; raises what `add` counts.
        answers: What it took of each row's answer, in order.
        latency_ms: Of each request.
        problems: Of requests that were not answered as they must be, the first few.
        num_failed: How many those were.
        versions: The model versions that it named.
        digests: The model digests that it named.
    """

    read: Read
    answers: list[Mapping[str, Any]] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    num_failed: int = 0
    versions: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)

    def percentiles(self) -> dict[str, float]:
        """The latency, in milliseconds, within which so many of a hundred requests were answered:
        nearest rank, so that each is one request's own."""
        found = np.percentile(self.latency_ms, PERCENTILES, method="inverted_cdf")
        return {f"p{p}": round(float(v), 3) for p, v in zip(PERCENTILES, found, strict=True)}

    def add(self, response: httpx.Response, num_rows: int, seconds: float) -> None:
        """Count one answer; one that does not have what it must have is a problem."""
        self.latency_ms.append(seconds * 1000)
        try:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            content = response.json()
            answers = content.get("predictions", [content])
            if len(answers) != num_rows:
                raise ValueError(f"{len(answers)} answers to {num_rows} rows")
            self.answers += [self.read(one) for one in answers]
            self.versions.add(str(content["model_version"]))
            self.digests.add(str(content["model_digest"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.num_failed += 1
            if len(self.problems) < MAX_SHOWN:
                self.problems.append(f"{type(error).__name__}: {error}")


def replayed(client: httpx.Client, bodies: Sequence[tuple[bytes, int]], read: Read) -> Replay:
    """Send these bodies, each with its number of rows, one after the other; `read` their answers.

    Raises:
        httpx.HTTPError: a request was not answered at all.
    """
    found = Replay(read)
    for body, num_rows in bodies:
        began = time.perf_counter()
        response = client.post("/predict", content=body, headers=JSON)
        found.add(response, num_rows, time.perf_counter() - began)
    return found


def as_requests(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Delivered rows as JSON carries them: dates and times in ISO 8601, nan and inf as nothing,
    bytes in base64."""
    written = []
    for name, dtype in rows.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime):
            written.append(column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f"))
        elif dtype.is_float():
            written.append(pl.when(column.is_finite()).then(column))
        elif dtype == pl.Date:
            written.append(column.cast(pl.String))
        elif dtype == pl.Binary:
            written.append(column.bin.encode("base64"))
    return rows.with_columns(written).to_dicts()


def one_by_one(rows: Sequence[Row]) -> list[tuple[bytes, int]]:
    return [(encoded(row), 1) for row in rows]


def in_batches(rows: Sequence[Row], batch_rows: int) -> list[tuple[bytes, int]]:
    parts = [rows[start : start + batch_rows] for start in range(0, len(rows), batch_rows)]
    return [(encoded(part), len(part)) for part in parts]


def answer_to(client: httpx.Client, bad: BadRequest) -> str | None:
    """What is wrong with the answer to a bad request; None when it is as it must be."""
    content = _pieces(bad.body) if bad.chunked else bad.body
    try:
        response = client.request(bad.method, bad.path, content=content, headers=bad.headers)
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    if response.status_code != bad.status:
        return f"status {response.status_code}"
    try:
        answer = response.json()
    except ValueError:
        return f"{bad.status}, and no JSON"
    if not isinstance(answer, dict) or not isinstance(answer.get("error"), str):
        return f"{bad.status}, and no sentence under `error`"
    said = plainly(encoded(answer).decode(), *texts_of(answer))
    for word in bad.names:
        if plainly(word) not in said:
            return f"{bad.status}, and no word of {word}"
    return None


def texts_of(content: Any) -> Iterator[str]:
    """All texts in a JSON value, without JSON's own signs before quotes."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | dict):
        for one in content.values() if isinstance(content, dict) else content:
            yield from texts_of(one)


def plainly(*texts: str) -> str:
    """Texts in small letters, and numbers without commas between thousands."""
    return "\n".join(texts).lower().replace(",", "")


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]
