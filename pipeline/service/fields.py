"""The input's fields, made from the contract: type, range, categories, unit and an example.

They are the model's features as delivered, before cleaning; what is promised of them is promised
after the cleaning, which a request goes through as training rows did.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pipeline.core.cleaning.rules import Rule
from pipeline.core.errors import ProjectError
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.prediction.policy import Policy
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.typed_settings import Frozen
from pipeline.service import whole_fields
from pipeline.service.checks import (
    BETWEEN,
    IN_SET,
    OF_TYPE,
    Enforcement,
    between_in_words,
    listed,
)
from pipeline.service.field_types import (
    EXPECTED,
    OF_TYPES,
    Delivered,
    Kind,
    cast_to,
    date_as_delivered,
    delivered_as,
    is_whole,
    level_as_delivered,
    type_of,
    within_64_bits,
)
from pipeline.service.requested import Deciding, deciding_columns, requested

Use = Literal["probability", "decision", "both"]
NOTES: dict[Use, str] = {
    "probability": "",
    "decision": "used for the decision alone, not for the probability",
    "both": "used for the probability and for the decision",
}


class FieldText(Frozen):
    """What people are told of a field."""

    title: str | None = None
    """Its name for people; the column's name when not given."""
    unit: str = ""
    """What a number counts, for instance `years`."""
    example: str | int | float | bool | None = None
    """A valid value; made from the contract when not given."""


@dataclass(frozen=True)
class Field:
    """One field of a request.

    Attributes:
        name: The delivered column.
        title: Its name for people.
        unit: What a number counts; may be empty.
        kind: What the value is after cleaning.
        delivered: How the column is delivered, and so what is cleaned.
        required: Whether a row without it is refused.
        minimum, maximum: Limits of a number, where the contract sets them.
        categories: The levels that the contract names; empty when it names none.
        open: Whether other levels are accepted, with a warning.
        example: A valid value.
        limits: What an image or a text in words may measure, by the name of the setting; empty of
            other fields.
        measures: What else the contract has an image or a text measure, in words.
        use: What it is for. A field that decides must be given with every row, also where it may be
            null: a row without it would be decided as if nothing were known of its group.
    """

    name: str
    title: str
    unit: str
    kind: Kind
    delivered: Delivered
    required: bool
    minimum: float | None
    maximum: float | None
    categories: tuple[Any, ...]
    open: bool
    example: Any
    use: Use = "probability"
    limits: Mapping[str, int] = field(default_factory=dict)
    measures: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is all that is known of a row: an image, or a text in words."""
        return bool(self.limits)

    @property
    def decides(self) -> bool:
        """Whether the decision needs it."""
        return self.use != "probability"

    @property
    def note(self) -> str:
        """What it is for, where that must be said."""
        return NOTES[self.use]

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.is_whole:
            return whole_fields.expected(self.kind, self.limits)
        if self.kind in ("date", "datetime"):
            return f"{EXPECTED[self.kind]}, written like {self.example}"
        if self.kind in EXPECTED:
            limits = between_in_words(self.minimum, self.maximum)
            return f"{EXPECTED[self.kind]} {limits}".strip()
        return (
            f"one of {listed(self.categories)}" if self.categories else OF_TYPES[self.delivered][1]
        )

    @property
    def instance(self) -> str:
        """A valid value, in words where it is long."""
        return whole_fields.INSTANCES[self.kind] if self.is_whole else str(self.example)

    @property
    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema, as OpenAPI 3.1 has it."""
        if self.is_whole:
            return whole_fields.schema(self)
        kinds: dict[str, Any] = {"integer": "integer", "number": "number"}
        kind = kinds.get(self.kind) or OF_TYPES.get(self.delivered, ("string",))[0]
        if self.categories and not any(isinstance(one, str) for one in self.categories):
            kind = type_of(self.categories)
        found: dict[str, Any] = {
            "title": self.title,
            "type": kind if self.required else [kind, "null"],
            "description": f"{self.expected}{', in ' + self.unit if self.unit else ''}"
            f"{'; ' + self.note if self.note else ''}",
            "examples": [self.example],
        }
        if self.unit:
            found["x-unit"] = self.unit
        if self.delivered in ("date", "datetime"):
            found["format"] = "date" if self.delivered == "date" else "date-time"
        if self.minimum is not None:
            found["minimum"] = self.minimum
        if self.maximum is not None:
            found["maximum"] = self.maximum
        if self.categories and not self.open:
            found["enum"] = [*self.categories, *([] if self.required else [None])]
        elif self.categories:
            found["x-known-values"] = list(self.categories)
        return found

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(state: dict[str, Any]) -> "Field":
        listed = {name: tuple(state[name]) for name in ("categories", "measures")}
        return Field(**{**state, **listed})


def fields_of(
    columns: Columns,
    rules: tuple[Rule, ...],
    enforced: Enforcement,
    delivered: Mapping[str, str],
    texts: Mapping[str, FieldText],
    policy: Policy | OutputPolicy | None = None,
    wholes: Mapping[str, whole_fields.Whole] | None = None,
) -> list[Field]:
    """The fields of a project's requests: numbers, categories, what else the decision needs.

    Args:
        columns: The project's columns.
        rules: The cleaning rules for requests.
        enforced: The contract's row-level rules.
        delivered: The polars type of each delivered column.
        texts: What the project says of single fields.
        policy: Names the sensitive columns without which it cannot decide.
        wholes: What an image or a text may measure, by its name.

    Raises:
        ProjectError: a text is about no feature, its example is against the contract, or a feature
            is delivered in a type that JSON does not have.
    """
    deciding = deciding_columns(policy) if policy else {}
    names = requested(columns, policy)
    for name in texts:
        if name not in names:
            raise ProjectError(
                f"package.fields: expected a feature, got {name!r}", hint=nearest(name, names)
            )
    wholes = wholes or {}
    fields = [
        _whole_field(name, texts.get(name, FieldText()), wholes[name])
        if name in wholes
        else _field(
            name,
            columns,
            rules,
            enforced,
            delivered[name],
            texts.get(name, FieldText()),
            deciding.get(name),
        )
        for name in names
    ]
    return [
        replace(field, use="both" if field.name in columns.features else "decision")
        if field.name in deciding
        else field
        for field in fields
    ]


def _field(
    name: str,
    columns: Columns,
    rules: tuple[Rule, ...],
    enforced: Enforcement,
    dtype: str,
    text: FieldText,
    deciding: Deciding | None,
) -> Field:
    delivered = delivered_as(name, dtype)
    critical = [check for check in enforced.of(name) if check.critical]
    types = [check.arguments["type_"] for check in critical if check.kind == OF_TYPE]
    whole = is_whole(name, rules, delivered, types)
    ranges = [check.arguments for check in critical if check.kind == BETWEEN]
    low = _bound(max, [one.get("min_value") for one in ranges])
    high = _bound(min, [one.get("max_value") for one in ranges])
    sets = [check for check in enforced.of(name) if check.kind == IN_SET]
    levels = tuple(sets[0].arguments["value_set"]) if sets else ()
    levels = tuple(level_as_delivered(one, delivered) for one in levels)
    numeric = name in columns.numeric or (deciding is not None and deciding.is_cut)
    if deciding and not levels and delivered == "text":
        levels = deciding.levels
    kind: Kind = "category" if levels else "text"
    if numeric:
        kind = "integer" if whole else "number"
    if name in columns.dates:
        levels, kind = (), "date" if cast_to(name, rules, delivered) == "date" else "datetime"
    field = Field(
        name=name,
        title=text.title or name,
        unit=text.unit,
        kind=kind,
        delivered=delivered,
        required=any(not check.passes(None) for check in critical),
        minimum=low if numeric else None,
        maximum=high if numeric else None,
        categories=() if numeric else levels,
        open=bool(levels) and not any(check.critical for check in sets),
        example=None,
    )
    example = _example(field, rules) if text.example is None else text.example
    return Field(**{**asdict(field), "categories": field.categories, "example": example})


def _whole_field(name: str, text: FieldText, whole: whole_fields.Whole) -> Field:
    """The field of an image, or of a text in words."""
    return Field(
        name=name,
        title=text.title or name,
        unit=text.unit,
        kind=whole.kind,
        delivered=whole.kind,
        required=True,
        minimum=None,
        maximum=None,
        categories=(),
        open=False,
        example=whole.example if text.example is None else text.example,
        limits=whole.limits,
        measures=whole.measures,
    )


def _bound(choose: Any, limits: list[float | None]) -> float | None:
    known = [within_64_bits(limit) for limit in limits if limit is not None]
    return choose(known) if known else None


def _example(field: Field, rules: tuple[Rule, ...]) -> Any:
    """A value within the limits: the first category, or the middle of the range; of a date some
    day, as it is delivered."""
    if field.kind in ("date", "datetime"):
        return date_as_delivered(field.name, field.kind, field.delivered, rules)
    if field.kind in ("integer", "number"):
        low = field.minimum if field.minimum is not None else min(0, field.maximum or 0)
        high = field.maximum if field.maximum is not None else max(0, low)
        middle = (low + high) / 2
        return int(middle) if field.kind == "integer" else middle
    if field.categories:
        return field.categories[0]
    return {"boolean": True, "integer": 0, "float": 0.0}.get(field.delivered, "text")
