"""Rows of requests: read, cleaned, checked and encoded together, findings named by row and field.

A value goes the way that training rows went, `part(modality, "cells")`; many requests are read
at once, so that what is new in all of them is cleaned and encoded together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import MAX_FINDINGS
from pipeline.core.modality import part
from pipeline.core.project import Columns, nearest
from pipeline.service.checks import Check, Enforcement
from pipeline.service.fields import Field

PLAIN = frozenset({str, int, float, type(None)})
MAX_SHOWN = 80

Encoded = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Reading:
    """One request's rows, ready for the network, or what is wrong with them.

    Attributes:
        codes: The encoder's numbers of each row; nothing of it holds when there are findings.
        warnings: For each row, what it breaks and may break.
        findings: Why the request is refused, at most ten.
    """

    codes: list[list[float]]
    warnings: list[list[str]]
    findings: list[dict[str, Any]]


class Reader:
    """Reads rows as the contract and the cleaning rules of one project have it."""

    def __init__(
        self,
        fields: Sequence[Field],
        columns: Columns,
        cells: Sequence[Any],
        num_numbers: int,
        enforcement: Enforcement,
    ) -> None:
        self.fields = {field.name: field for field in fields}
        self.names = frozenset(self.fields)
        self.columns = columns
        self.cells = list(cells)
        self.num_numbers = num_numbers
        place = {column.name: i for i, column in enumerate(self.cells)}
        self.pairs = [
            (check, place[check.columns[0]], place[check.columns[1]])
            for check in enforcement.of_pairs
        ]

    def read(self, requests: Sequence[Sequence[Any]]) -> list[Reading]:
        """Read many requests' rows; values that are new are learnt together."""
        rows = [row for request in requests for row in request if type(row) is dict]
        fresh = self._learn(rows)
        return [self._reading(request, fresh) for request in requests]

    def encoded(self, codes: Sequence[Sequence[float]]) -> Encoded:
        """What the network takes, from the codes of rows."""
        table = np.array(codes, dtype=np.float64).reshape(len(codes), len(self.cells))
        numbers, levels = table[:, : self.num_numbers], table[:, self.num_numbers :]
        return numbers.astype(np.float32), levels.astype(np.int64)

    def _learn(self, rows: list[dict[str, Any]]) -> list[dict[Any, Any]]:
        """For each column the cells of values that it had not met; empty when it knew all."""
        fresh: list[dict[Any, Any]] = []
        for column in self.cells:
            column.make_room()
            name, known = column.name, column.known
            new = {}
            for row in rows:
                value = row.get(name)
                key = value if type(value) in PLAIN else key_of(value)
                if key not in known:
                    new[key] = value
            fresh.append(column.learn(new) if new else {})
        return fresh

    def _reading(self, request: Sequence[Any], fresh: list[dict[Any, Any]]) -> Reading:
        reading = Reading([], [], [])
        for number, row in enumerate(request):
            if type(row) is not dict:
                self._refuse(reading, number, "", "an object with the model's fields", row)
                continue
            if not row.keys() <= self.names:
                for name in row.keys() - self.names:
                    self._unknown(reading, number, name)
            cells = []
            troubled = False
            for column, new in zip(self.cells, fresh, strict=True):
                value = row.get(column.name)
                key = value if type(value) in PLAIN else key_of(value)
                cell = new[key] if key in new else column.known[key]
                troubled = troubled or bool(cell.problems)
                cells.append(cell)
            warnings = self._problems(reading, number, row, cells) if troubled else []
            for check, one, other in self.pairs:
                if not check.passes((cells[one].value, cells[other].value)):
                    self._pair(reading, number, check, row, warnings)
            reading.codes.append([cell.code for cell in cells])
            reading.warnings.append(warnings)
        return reading

    def _problems(
        self, reading: Reading, number: int, row: dict[str, Any], cells: list[Any]
    ) -> list[str]:
        warnings = []
        for column, cell in zip(self.cells, cells, strict=True):
            for expected, meaning in cell.problems:
                if cell.refused:
                    field = self.fields[column.name]
                    value = row.get(column.name)
                    hint = _hint(field, value, meaning)
                    self._refuse(
                        reading, number, column.name, _wanted(field, expected), value, hint
                    )
                    break
                warnings.append(f"{column.name}: expected {expected}. {meaning}".strip())
        return warnings

    def _pair(
        self, reading: Reading, number: int, check: Check, row: dict[str, Any], warnings: list[str]
    ) -> None:
        names = " and ".join(check.columns)
        if check.critical:
            found = [row.get(name) for name in check.columns]
            self._refuse(reading, number, names, check.expected, found, check.meaning)
        else:
            warnings.append(f"{names}: expected {check.expected}. {check.meaning}")

    def _unknown(self, reading: Reading, number: int, name: str) -> None:
        if name in self.columns.all:
            expected = "no such field: the model does not use it"
            self._refuse(reading, number, name, expected, "a value", f"leave {name} out")
        else:
            hint = nearest(name, tuple(self.fields))
            self._refuse(reading, number, name, "a field that the model has", "another", hint)

    def _refuse(
        self, reading: Reading, number: int, field: str, expected: str, value: Any, hint: str = ""
    ) -> None:
        if len(reading.findings) < MAX_FINDINGS:
            finding = {"row": number, "field": field[:MAX_SHOWN], "expected": expected}
            reading.findings.append({**finding, "found": shown(value), "hint": hint})


def key_of(value: Any) -> Any:
    """A key for a value of another JSON type, which equals no plain value's."""
    if type(value) is bool:
        return ("boolean", value)
    return ("list",) if isinstance(value, list) else ("object",)


def shown(value: Any) -> str:
    """A value as findings show it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list) and any(isinstance(one, list | dict) for one in value):
        return "a list"
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def _wanted(field: Field, expected: str) -> str:
    """The field's own words say all of it, but for rules that they do not mention."""
    own = field.expected
    return own if expected == "a value" or expected in own or own.endswith(expected) else expected


def _hint(field: Field, value: Any, meaning: str) -> str:
    if value is None:
        return f"give {field.name}, for instance {shown(field.example)}"
    if field.categories and isinstance(value, str):
        return nearest(value, tuple(map(str, field.categories)))
    return meaning or f"for instance {shown(field.example)}"


def reader_of(
    modality: str,
    encoder: Any,
    fields: Sequence[Field],
    columns: Columns,
    rules: Any,
    enforcement: Enforcement,
) -> Reader:
    """The reader of a project's requests."""
    cells = part(modality, "cells").columns_of(fields, rules, encoder, enforcement)
    return Reader(fields, columns, cells, len(encoder.edges), enforcement)
