"""Requests that a service must answer with an error of theirs, not of its own.

They are made from a good row and from the contract, read here once more and independently of the
service: what it forgot to enforce is not forgotten here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from pipeline.core.settings.columns import Columns

JSON = {"content-type": "application/json"}
HUGE = 10**25
MADE_UP = "a level that nobody delivers"
Row = Mapping[str, Any]
BadValue = tuple[str, Any, Sequence[str]]
"""What is bad about a value, the value, and words that the answer must have."""


@dataclass(frozen=True)
class BadRequest:
    """One request that must be refused.

    Attributes:
        name: What is bad about it.
        body: Its content.
        status: The status that it must be answered with.
        names: What the answer must name: words that stand in it.
        method: Its method.
        path: Where it goes.
        headers: Its headers.
        chunked: Whether it is sent in pieces, without saying how long it is.
    """

    name: str
    body: bytes
    status: int
    names: tuple[str, ...] = ()
    method: str = "POST"
    path: str = "/predict"
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    chunked: bool = False


@dataclass(frozen=True)
class Promise:
    """What the contract's critical expectations promise of one feature, row by row."""

    name: str
    is_number: bool
    is_required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    is_closed: bool = False
    is_date: bool = False


def promises(
    contract: Mapping[str, Any], columns: Columns, deciding: Sequence[str] = ()
) -> list[Promise]:
    """What the contract's part `prepared` promises of each feature, and of each column that the
    policy decides by; `mostly` promises nothing."""
    found = []
    for name in dict.fromkeys((*columns.features, *deciding)):
        critical = [
            (entry["type"], entry["kwargs"])
            for entry in contract["prepared"]["expectations"]
            if entry["severity"] == "critical"
            and entry["kwargs"].get("column") == name
            and entry["kwargs"].get("mostly", 1) == 1
            and not entry["kwargs"].get("row_condition")
        ]
        kinds = {kind for kind, _ in critical}
        ranges = [
            given
            for kind, given in critical
            if kind == "expect_column_values_to_be_between" and name not in columns.dates
        ]
        whole = {given["type_"] for kind, given in critical if kind.endswith("be_of_type")}
        found.append(
            Promise(
                name=name,
                is_number=name in columns.numeric or name in columns.sensitive_edges,
                is_required="expect_column_values_to_not_be_null" in kinds
                or "int64" in whole
                or columns.missing.get(name) == "drop_row"
                or name in columns.wholes,
                minimum=next(
                    (r["min_value"] for r in ranges if r.get("min_value") is not None), None
                ),
                maximum=next(
                    (r["max_value"] for r in ranges if r.get("max_value") is not None), None
                ),
                is_closed="expect_column_values_to_be_in_set" in kinds,
                is_date=name in columns.dates,
            )
        )
    return found


def bad_requests(
    row: Row,
    columns: Columns,
    contract: Mapping[str, Any],
    max_rows: int,
    max_body_bytes: int,
    deciding: Sequence[str] = (),
    values: Iterable[BadValue] = (),
) -> list[BadRequest]:
    """All that can be made for a project; more where its contract promises more.

    Args:
        row: A good row, as delivered.
        columns: The project's columns.
        contract: The contract that the service enforces.
        max_rows: The most rows that it takes at once.
        max_body_bytes: The longest body that it takes.
        deciding: The sensitive columns that its policy decides by.
        values: Bad values of a feature that is an image or a text, as its modality makes them.
    """
    promised = promises(contract, columns, deciding)
    return [
        *_no_json(row),
        *_no_rows(row),
        *_wrong_address(row),
        *_wrong_fields(row, columns, deciding),
        *_left_out(row, promised, deciding),
        *_wrong_values(row, promised),
        *_bad_wholes(row, columns, values, max_body_bytes),
        *_too_much(row, columns, max_rows, max_body_bytes),
    ]


def _no_json(row: Row) -> Iterator[BadRequest]:
    good = encoded(row)
    yield BadRequest("not JSON", good[:-1], 400, ("JSON",))
    yield BadRequest("an empty body", b"", 400, ("JSON",))
    yield BadRequest("bytes that are no text", b'{"\xff\xfe": 1}', 400, ("JSON",))
    name = next(iter(row))
    for word in ("NaN", "Infinity"):
        body = encoded({**row, name: "@"}).replace(b'"@"', word.encode())
        yield BadRequest(f"{word} for a value", body, 400, ("JSON",))
    twice = good[:-1] + b", " + encoded({name: None})[1:]
    yield BadRequest("a key that is named twice", twice, 400, (name, "twice"))
    yield BadRequest("a number of 401 digits", encoded({**row, name: 10**400}), 400, ("JSON",))
    yield BadRequest("brackets in brackets", b"[" * 20_000 + b"]" * 20_000, 400)
    for kind in ("text/csv", "application/x-www-form-urlencoded"):
        yield BadRequest(
            f"the content type {kind}",
            good,
            415,
            ("application/json",),
            headers={"content-type": kind},
        )
    yield BadRequest("no content type", good, 415, ("application/json",), headers={})


def _no_rows(row: Row) -> Iterator[BadRequest]:
    yield BadRequest("a number alone", b"42", 400)
    yield BadRequest("null alone", b"null", 400)
    yield BadRequest("a list of numbers", b"[1, 2, 3]", 422)
    yield BadRequest("a list of rows and a number", encoded([row, 7]), 422)
    yield BadRequest("rows to explain, not one", encoded([row, row]), 400, path="/explain")


def _wrong_address(row: Row) -> Iterator[BadRequest]:
    yield BadRequest("GET where POST is due", b"", 405, method="GET", headers={})
    yield BadRequest("DELETE", encoded(row), 405, method="DELETE")
    yield BadRequest("a path that is not there", encoded(row), 404, path="/predictions")


def _wrong_fields(row: Row, columns: Columns, deciding: Sequence[str]) -> Iterator[BadRequest]:
    name = columns.features[0]
    misspelt = {key if key != name else f"{name}x": value for key, value in row.items()}
    yield BadRequest("a misspelt field", encoded(misspelt), 422, (f"{name}x", name))
    held_out = [one for one in (columns.identifier, columns.weight) if one]
    for unused in (*columns.sensitive, *columns.drop, *held_out, columns.target):
        if unused not in (*columns.features, *deciding):
            kind = "sensitive" if unused in columns.sensitive else "unused"
            body = encoded({**row, unused: MADE_UP})
            yield BadRequest(f"the {kind} column {unused}", body, 422, (unused, "not use"))


def _left_out(
    row: Row, promised: Sequence[Promise], deciding: Sequence[str]
) -> Iterator[BadRequest]:
    """Rows that lack what must be there, or what decides about them; where every value may be
    missing, a row without any is none of them."""
    if any(one.is_required or one.name in deciding for one in promised):
        yield BadRequest("no fields at all", b"{}", 422)
    for name in deciding:
        rest = {key: value for key, value in row.items() if key != name}
        yield BadRequest(f"nothing of {name}, which decides", encoded(rest), 422, (name,))


def _wrong_values(row: Row, promised: Sequence[Promise]) -> Iterator[BadRequest]:
    for one in promised:
        if one.is_number:
            yield _with(row, one.name, "many", "words for a number in")
            yield _with(row, one.name, True, "true for a number in")
        if one.is_date:
            yield _with(row, one.name, "some day", "words for a date in")
            yield _with(row, one.name, True, "true for a date in")
        if one.minimum is not None:
            yield _with(row, one.name, one.minimum - 1, "less than the least in")
        if one.maximum is not None:
            yield _with(row, one.name, one.maximum + 1, "more than the most in")
        if one.maximum is not None and one.maximum < HUGE:
            yield _with(row, one.name, HUGE, "a number that no integer of 64 bits holds in")
        if one.is_closed:
            yield _with(row, one.name, MADE_UP, "an unknown category in")
        if one.is_required:
            yield _with(row, one.name, None, "null in")
            rest = {key: value for key, value in row.items() if key != one.name}
            yield BadRequest(f"no {one.name}", encoded(rest), 422, (one.name,))
    ends = dict.fromkeys((promised[0].name, promised[-1].name))
    for (value, what), name in product((([1], "a list"), ({"is": 1}, "an object")), ends):
        yield _with(row, name, value, f"{what} for the value of")
    worst = next((one for one in promised if one.is_number), promised[0])
    rows = [row, {**row, worst.name: [1]}]
    yield BadRequest("one bad row among good ones", encoded(rows), 422, (worst.name, '"row":1'))


def _bad_wholes(
    row: Row, columns: Columns, values: Iterable[BadValue], max_body_bytes: int
) -> Iterator[BadRequest]:
    """Rows with an image or a text that must be refused; one that no body may hold is left out."""
    for name, (what, value, words) in product(columns.wholes, values):
        made = _with(row, name, value, f"{what} for")
        if len(made.body) <= max_body_bytes:
            yield replace(made, names=(name, *words))


def _with(row: Row, name: str, value: Any, what: str) -> BadRequest:
    return BadRequest(f"{what} {name}", encoded({**row, name: value}), 422, (name,))


def _too_much(
    row: Row, columns: Columns, max_rows: int, max_body_bytes: int
) -> Iterator[BadRequest]:
    many = encoded([row] * (max_rows + 1))
    limit = max_rows if len(many) <= max_body_bytes else max_body_bytes  # of wide rows: the bytes
    yield BadRequest("too many rows", many, 413, (str(limit),))
    long = b" " * (max_body_bytes + 1)
    yield BadRequest("a body that is too long", long, 413, (str(max_body_bytes),))
    yield BadRequest(
        "a body that is too long, in pieces", long, 413, (str(max_body_bytes),), chunked=True
    )
    name = columns.features[0]
    if name in columns.wholes:
        return  # of long values their own limits say more
    yield _with(row, name, "9" * min(100_000, max_body_bytes // 2), "a very long text in")


def encoded(content: Any) -> bytes:
    """JSON, with as few blanks as there can be."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
