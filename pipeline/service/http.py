"""Requests and answers as ASGI has them: reading a body within limits, refusing with a reason."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

JSON = (b"content-type", b"application/json")
PLAIN_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
RETRY_AFTER_S = 1


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: The HTTP status.
        reason: What the counter of refused requests calls it.
        error: One sentence for the client.
        findings: What is wrong with single fields.
        headers: Further headers.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        error: str,
        findings: Iterable[dict[str, Any]] = (),
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(error)
        self.reason = reason
        body = orjson.dumps({"error": error, "findings": list(findings)})
        self.response = Response(status, body, (JSON, *headers))


class Gone(Exception):
    """The client went before its request was whole."""


async def answer(
    scope: Scope, send: Send, response: Response, marks: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send an answer; `marks` are headers of the model's own."""
    length = (b"content-length", str(len(response.body)).encode())
    headers = [*response.headers, length, *PLAIN_HEADERS, *marks]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: bytes) -> bytes:
    """A header's value; empty when it is not there."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


async def whole_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The request's body; refused as soon as it is longer than the limit."""
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    message = await receive()
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        message = await receive()


def saturated(what: str) -> Refusal:
    retry = (b"retry-after", str(RETRY_AFTER_S).encode())
    return Refusal(503, "saturated", f"too many {what} wait already; try again", (), (retry,))


def too_large(limit: int) -> Refusal:
    return Refusal(413, "body_size", f"expected a body of at most {limit:,} bytes")


def invalid(findings: list[dict[str, Any]]) -> Refusal:
    one = findings[0]
    where = f"row {one['row']}" + (f", field {one['field']}" if one["field"] else "")
    error = f"{where}: expected {one['expected']}, found {one['found']}"
    return Refusal(422, "invalid_row", error, findings)
