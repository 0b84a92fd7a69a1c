"""Rows of requests: read, cleaned, checked and encoded together, findings named by row and field.

A value goes the way that training rows went, `part(modality, "serving.cells")`; many requests are
read at once, so that what is new in all of them is cleaned and encoded together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pipeline.core.cleaning.cells import Apply, GroupColumn, Troubled
from pipeline.core.dataset.groups import CROSS
from pipeline.core.errors import MAX_FINDINGS
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.policy import Policy
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.problems import nearest
from pipeline.service.checks import Check, Enforcement
from pipeline.service.fields import Field

MAX_SHOWN = 80
WITHHELD = "another value"

Encoded = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Reading:
    """One request's rows in a batch, or what is wrong with them.

    Attributes:
        rows: Its rows' places in the batch.
        warnings: By the row's number in the request, what it breaks and may break.
        findings: Why the request is refused, at most ten; empty when it is not.
    """

    rows: range
    warnings: dict[int, list[str]]
    findings: list[dict[str, Any]]


@dataclass(frozen=True)
class Batch:
    """Many requests' rows: the encoder's codes, shape (rows, …), and each one's reading; each row's
    group, where the policy decides by groups."""

    codes: NDArray[Any]
    readings: list[Reading]
    groups: list[str]


class Reader:
    """Reads rows as the contract and the cleaning rules of one project have it."""

    def __init__(
        self,
        fields: Sequence[Field],
        columns: Columns,
        cells: Any,
        enforcement: Enforcement,
        group_cells: Sequence[Any] = (),
    ) -> None:
        self.fields = {field.name: field for field in fields}
        self.names = frozenset(self.fields)
        self.columns = columns
        self.cells = cells
        self.group_cells = list(group_cells)
        self.demanded = frozenset(column.name for column in self.group_cells)
        of_features = getattr(cells, "columns", ())
        self.by_name = {column.name: column for column in [*self.group_cells, *of_features]}
        self.pairs = [one for one in enforcement.of_pairs if set(one.columns) <= set(self.by_name)]

    def read(self, requests: Sequence[Sequence[Any]]) -> Batch:
        """Read many requests' rows; values that are new are learnt together."""
        refused = [self._too_much(request) for request in requests]
        rows = [
            row if type(row) is dict and not findings else {}
            for request, findings in zip(requests, refused, strict=True)
            for row in request
        ]
        codes, troubled = self.cells.read(rows)
        groups = self._groups(rows, troubled)
        readings, start = [], 0
        for request, findings in zip(requests, refused, strict=True):
            places = range(start, start + len(request))
            whole = Reading(places, {}, findings)
            readings.append(whole if findings else self._reading(request, places, troubled))
            start += len(request)
        return Batch(codes, readings, groups)

    def _too_much(self, request: Sequence[Any]) -> list[dict[str, Any]]:
        """The finding of a request whose values are too much together; then none is read."""
        if not hasattr(self.cells, "too_much"):
            return []
        found = self.cells.too_much([row if type(row) is dict else {} for row in request])
        if not found:
            return []
        number, why = found
        hint = "send fewer rows at once, or smaller images"
        finding = {"row": number, "field": self.cells.name, "expected": why.expected}
        return [{**finding, "found": why.found, "hint": hint}]

    def _groups(self, rows: Sequence[dict[str, Any]], troubled: Troubled) -> list[str]:
        """Each row's group, none where the policy asks for none; and what is wrong with it."""
        named = []
        for column in self.group_cells:
            found, problems = column.read([row.get(column.name) for row in rows])
            named.append(found)
            if self.by_name[column.name] is column:  # else it is a feature, and was read before
                for number, cell in problems:
                    troubled.setdefault(number, []).append((column.name, cell))
        return [CROSS.join(map(str, parts)) for parts in zip(*named, strict=True)]

    def encoded(self, codes: NDArray[Any]) -> Encoded:
        """What the network takes, from the codes of rows."""
        inputs: Encoded = self.cells.inputs(codes)
        return inputs

    def _reading(self, request: Sequence[Any], rows: range, troubled: Troubled) -> Reading:
        reading = Reading(rows, {}, [])
        for number, (place, row) in enumerate(zip(rows, request, strict=True)):
            if type(row) is not dict:
                words = "an object with the model's fields"
                self._refuse(reading, number, "", words, row, "write it as {…}")
                continue
            if not row.keys() <= self.names:
                for name in sorted(row.keys() - self.names):
                    self._unknown(reading, number, name)
            if not row.keys() >= self.demanded:
                for name in sorted(self.demanded - row.keys()):
                    self._demand(reading, number, name)
            if place in troubled:
                self._problems(reading, number, row, troubled[place])
            for check in self.pairs:
                self._pair(reading, number, check, row)
        return reading

    def _problems(
        self, reading: Reading, number: int, row: dict[str, Any], cells: list[tuple[str, Any]]
    ) -> None:
        for name, cell in cells:
            if name in self.demanded and name not in row:
                continue  # it was said already
            field, value = self.fields[name], row.get(name)
            for expected, meaning in cell.problems:
                if cell.refused:
                    hint = _hint(field, value, meaning)
                    found = cell.found or self._shown(name, value)
                    self._refuse(reading, number, name, _wanted(field, expected), found, hint)
                    break
                self._warn(reading, number, f"{name}: expected {expected}", meaning)

    def _pair(self, reading: Reading, number: int, check: Check, row: dict[str, Any]) -> None:
        clean = tuple(self.by_name[name].clean(row.get(name)) for name in check.columns)
        if check.passes(clean):
            return
        names = " and ".join(check.columns)
        if check.critical:
            found = [self._shown(name, row.get(name)) for name in check.columns]
            self._refuse(reading, number, names, check.expected, found, check.meaning)
        else:
            self._warn(reading, number, f"{names}: expected {check.expected}", check.meaning)

    def _warn(self, reading: Reading, number: int, words: str, meaning: str) -> None:
        reading.warnings.setdefault(number, []).append(f"{words}. {meaning}".strip())

    def _demand(self, reading: Reading, number: int, name: str) -> None:
        """Refuse a row that leaves out what decides about it."""
        field = self.fields[name]
        unknown = "" if field.required else "; null where it is not known"
        hint = f"give {name}, for instance {shown(field.instance)}{unknown}: it is {field.note}"
        self._refuse(reading, number, name, field.expected, None, hint)

    def _shown(self, name: str, value: Any) -> Any:
        """A sensitive value is withheld: whoever logs an answer must not log it."""
        return WITHHELD if name in self.columns.sensitive and value is not None else value

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
        return f"give {field.name}, for instance {shown(field.instance)}"
    if field.categories and isinstance(value, str):
        return nearest(value, tuple(map(str, field.categories)))
    return meaning or f"for instance {shown(field.instance)}"


def reader_of(
    modality: str,
    encoder: Any,
    fields: Sequence[Field],
    columns: Columns,
    rules: Any,
    enforcement: Enforcement,
    policy: Policy | OutputPolicy,
) -> Reader:
    """The reader of a project's requests."""
    made = part(modality, "serving.cells")
    cells = made.cells_of(fields, columns, rules, encoder, enforcement)
    apply = part(modality, "data.cleaning").apply
    group_cells = group_columns_of(fields, rules, policy.by_group, enforcement, apply)
    return Reader(fields, columns, cells, enforcement, group_cells)


def group_columns_of(
    fields: Sequence[Field], rules: Any, by_group: Any, enforcement: Enforcement, apply: Apply
) -> list[GroupColumn]:
    """A column for each that a policy decides by; `by_group` is its `GroupThresholds`, or None."""
    by_name = {one.name: one for one in fields}
    return [
        GroupColumn(
            name,
            by_name[name].delivered,
            by_name[name].expected,
            rules,
            enforcement.of(name),
            apply,
            edges=by_group.edges.get(name),
        )
        for name in (by_group.columns if by_group else ())
    ]
