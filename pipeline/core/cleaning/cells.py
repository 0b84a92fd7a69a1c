"""Single values of requests, cleaned and checked by the stages' own code, once each.

Cleaning rules for requests, row-level checks and encoders work value by value, so a value that was
met before needs no work: a column keeps what its values became. What is new in a batch goes through
cleaning, and through what makes codes of it, as one small table per column.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.core.cleaning.rules import Cast, OutsideRange, Rule, for_requests
from pipeline.core.dataset import casting
from pipeline.core.dataset.casting import DTYPES, WHOLE_BELOW
from pipeline.core.dataset.groups import level_names

MAX_REMEMBERED = 20_000
"""Values that a column keeps; then it starts anew."""
MAX_TEXT_LENGTH = 100
"""Longer texts are not kept."""
PLAIN = frozenset({str, int, float, type(None)})
"""The types whose values can be told apart by comparing them."""
Row = Mapping[str, Any]
Troubled = dict[int, list[tuple[str, "Cell"]]]
"""By a row's place its fields that break a rule."""


Apply = Callable[[pl.DataFrame, tuple[Rule, ...]], tuple[pl.DataFrame, Any]]
"""Applies cleaning rules to a table; what it changed is of no interest here."""


@dataclass(frozen=True)
class Cell:
    """What a delivered value became.

    Attributes:
        code: What the encoder made of it; of a column that decides, the name of its group.
        value: The clean value.
        refused: Whether a request with it is refused.
        problems: What was expected and why, for each rule that it breaks.
        found: What it is, in words, where it is not to be repeated.
    """

    code: Any
    value: Any
    refused: bool = False
    problems: tuple[tuple[str, str], ...] = ()
    found: str = ""


class Unreadable:
    """Marks a value of a type that the column is not delivered in."""


UNREADABLE = Unreadable()


@dataclass
class CellColumn:
    """One column's values: how they are read, and those that are known.

    What makes codes of clean values says `_coded`, which each kind of column has of its own. A code
    of several numbers, as of a date, is a tuple of `width`.

    Attributes:
        name: The delivered column.
        delivered: How it is delivered: text, integer, float, boolean, date or datetime.
        expected: What a value must be, in words.
        rules: The cleaning rules for requests, all columns'.
        checks: What a clean value must keep; each has passes, critical, expected and meaning.
        apply: Applies rules, as the modality's `cleaning` does.
        known: The cells of values that were met.
        fine: The codes of those that break no rule.
        width: How many numbers its code has.
        decimal: What begins the decimals of numbers that are delivered as text.
    """

    name: str
    delivered: str
    expected: str
    rules: tuple[Rule, ...]
    checks: Sequence[Any]
    apply: Apply
    known: dict[Any, Cell] = field(default_factory=dict)
    fine: dict[Any, Any] = field(default_factory=dict)
    width: int = field(init=False, default=1)
    decimal: str = field(init=False, default=".")

    def __post_init__(self) -> None:
        self.rules = tuple(_never_raising(rule) for rule in for_requests(self.rules, (self.name,)))
        casts = [rule for rule in self.rules if isinstance(rule, Cast)]
        self.decimal = next((rule.decimal for rule in casts if rule.decimal), ".")

    def read(self, values: Sequence[Any]) -> tuple[list[Any], list[tuple[int, Cell]]]:
        """The codes of values, and the cells, by their place, of those that break a rule."""
        plain = PLAIN.issuperset(map(type, values))
        keys = values if plain else [key_of(value) for value in values]
        codes: list[Any] = list(map(self.fine.get, keys))
        if None not in codes:
            return codes, []
        return self._read_slowly(values, keys, codes)

    def clean(self, value: Any) -> Any:
        """The clean value of one that was read before."""
        key = value if type(value) in PLAIN else key_of(value)
        cell = self.known.get(key) or self._made({key: value})[key]
        return cell.value

    def _read_slowly(
        self, values: Sequence[Any], keys: Sequence[Any], codes: list[Any]
    ) -> tuple[list[Any], list[tuple[int, Cell]]]:
        """Fill the gaps in `codes`: values that are new, or break a rule."""
        gaps = [i for i, code in enumerate(codes) if code is None]
        new = {keys[i]: values[i] for i in gaps if keys[i] not in self.known}
        fresh = self._made(new) if new else {}
        troubled = []
        for i in gaps:
            cell = fresh[keys[i]] if keys[i] in fresh else self.known[keys[i]]
            codes[i] = cell.code
            if cell.problems:
                troubled.append((i, cell))
        self._keep(fresh)
        return codes, troubled

    def _keep(self, cells: Mapping[Any, Cell]) -> None:
        if len(self.known) + len(cells) > MAX_REMEMBERED:
            self.known.clear()
            self.fine.clear()
        for key, cell in cells.items():
            if isinstance(key, str) and len(key) > MAX_TEXT_LENGTH:
                continue
            self.known[key] = cell
            if not cell.problems:
                self.fine[key] = cell.code

    def _made(self, values: Mapping[Any, Any]) -> dict[Any, Cell]:
        read = {
            key: as_delivered(value, self.delivered, self.decimal) for key, value in values.items()
        }
        unreadable = ((self.expected, ""),)
        cells = {
            key: Cell(0 if self.width == 1 else (0,) * self.width, None, True, unreadable)
            for key, value in read.items()
            if value is UNREADABLE
        }
        keys = [key for key in read if key not in cells]
        column = pl.Series(self.name, [read[key] for key in keys], DTYPES[self.delivered])
        table, broken = self._cleaned(column.to_frame())
        codes = self._coded(table)
        for key, value, code, why in zip(keys, table[self.name], codes, broken, strict=True):
            cells[key] = self._cell(value, code, why)
        return cells

    def _coded(self, table: pl.DataFrame) -> list[Any]:
        raise NotImplementedError

    def _unlearnt(self, value: Any, code: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """What a value that keeps all rules is warned of, since nothing was learnt of it."""
        return []

    def _cleaned(self, table: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """The clean values, and for each the rule that cannot take it; empty when all can."""
        broken = [""] * table.height
        for rule in self.rules:
            before = table[self.name]
            table, _ = self.apply(table, (rule,))
            if isinstance(rule, Cast | OutsideRange) and rule.name.startswith(REFUSES):
                gone = (table[self.name].is_null() & before.is_not_null()).arg_true()
                for i in gone:
                    broken[i] = broken[i] or rule.name.removeprefix(REFUSES)
        return table, broken

    def _cell(self, value: Any, code: Any, broken: str) -> Cell:
        if broken:
            return Cell(code, value, True, ((self.expected, ""),))
        failed = [check for check in self.checks if not check.passes(value)]
        refusing = [check for check in failed if check.critical]
        problems = [(check.expected, check.meaning) for check in refusing or failed]
        if not failed:
            problems = self._unlearnt(value, code)
        return Cell(code, value, bool(refusing), tuple(problems))


@dataclass
class GroupColumn(CellColumn):
    """A column that a policy decides by: the code of a value is the name of its group.

    Attributes:
        edges: Where numbers are cut.
    """

    edges: Sequence[float] | None = None

    def _coded(self, table: pl.DataFrame) -> list[Any]:
        return level_names(table[self.name], self.edges).to_list()


REFUSES = "\0"
"""Starts the name of a rule that refuses what it cannot take."""


def _never_raising(rule: Rule) -> Rule:
    """A rule that makes a value missing where it would refuse the table or drop the row."""
    if isinstance(rule, Cast) and rule.on_failure == "refuse":
        return rule.model_copy(update={"on_failure": "missing", "name": REFUSES + rule.name})
    if isinstance(rule, OutsideRange) and rule.action == "drop_row":
        return rule.model_copy(update={"action": "missing", "name": REFUSES + rule.name})
    return rule


def key_of(value: Any) -> Any:
    """A key for a value, which no value of another JSON type equals: `true` is no 1."""
    if type(value) in PLAIN:
        return value
    return (type(value), value if isinstance(value, bool) else None)


def as_delivered(value: Any, delivered: str, decimal: str = ".") -> Any:
    """A JSON value in the type that its column is delivered in, or UNREADABLE.

    A number stands for its digits where the column is delivered as text, as files deliver it.
    """
    if decimal != "." and isinstance(value, float) and delivered == "text":
        return _number(value, delivered).replace(".", decimal)
    if value is None:
        return None
    if isinstance(value, bool):
        return value if delivered == "boolean" else UNREADABLE
    if isinstance(value, str):
        return _text(value, delivered)
    if isinstance(value, int | float):
        return _number(value, delivered)
    return UNREADABLE


def _text(value: str, delivered: str) -> Any:
    if delivered in ("date", "datetime"):
        read = casting.read_as(delivered, pl.Series([value]))[0]
        return UNREADABLE if read is None else read
    return value if delivered == "text" else UNREADABLE


def _number(value: float, delivered: str) -> Any:
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < WHOLE_BELOW)
    if delivered == "text":
        return str(int(value)) if whole else repr(value)
    if delivered == "integer":
        return int(value) if whole and -(2**63) <= value < 2**63 else UNREADABLE
    return float(value) if delivered == "float" else UNREADABLE
