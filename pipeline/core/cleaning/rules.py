"""Cleaning rules as typed settings: row-wise, and fitting nothing.

Each works on the rows as they are, so that the same rules serve a training table and a single
request. How those of all modalities are applied stands in `cleaning_rules`, how a modality's own in
its module `cleaning`.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pipeline.core.cleaning.image_rules import ImageRule
from pipeline.core.cleaning.named_rule import Named
from pipeline.core.cleaning.text_rules import TextRule
from pipeline.core.settings.modality import part
from pipeline.core.settings.problems import Unsuitable, nearest
from pipeline.core.settings.typed_settings import Frozen

Value = str | int | float | bool
Columns = Annotated[tuple[str, ...], Field(min_length=1)]
Type = Literal["integer", "float", "boolean", "text", "date", "datetime"]


class StripWhitespace(Named):
    """Take blanks from both ends of text; text that was blank alone becomes missing."""

    rule: Literal["strip_whitespace"]
    columns: tuple[str, ...] = ()
    """Which columns of text; none named means all of them."""


class MissingCodes(Named):
    """Turn codes for "unknown" into missing values."""

    rule: Literal["missing_codes"]
    columns: tuple[str, ...] = ()
    """Which columns; none named means all columns of text."""
    codes: Annotated[tuple[Value, ...], Field(min_length=1)]
    """The codes, as they stand in the column."""


class Replace(Named):
    """Replace whole values by others."""

    rule: Literal["replace"]
    column: str
    """Which column."""
    mapping: Annotated[Mapping[Value, Value], Field(min_length=1)]
    """From the value as it stands to the value that it becomes."""


class Cast(Named):
    """Read columns as another type."""

    rule: Literal["cast"]
    columns: Annotated[Mapping[str, Type], Field(min_length=1)]
    """From column to type. A float that is not whole is no integer; nan and inf are no numbers;
    true, yes, on and 1, false, no, off and 0, and their like in other languages, are booleans in
    any case and with blanks around."""
    formats: Mapping[str, Annotated[str, Field(pattern="%")]] = Field(default_factory=dict)
    """From a column of dates or times to how its text is written, as strptime has it:
    `"%d.%m.%Y"`. Without one it is ISO 8601; a time with an offset is read as UTC."""
    decimal: Literal[".", ","] | None = None
    """What begins the decimals of numbers in text. Where it is given, thousands may be told apart
    by the other sign, a blank or an apostrophe: `"1.234,56"` with a comma. Without it a point, and
    no thousands."""
    on_failure: Literal["refuse", "missing"] = "refuse"
    """What to do with a value that cannot be read so: refuse the table, or make it missing."""

    @model_validator(mode="after")
    def _formats_of_dates(self) -> "Cast":
        for column in self.formats:
            if self.columns.get(column) not in ("date", "datetime"):
                raise ValueError(
                    f"formats.{column}: expected a column that `columns` reads as date or datetime"
                )
        return self


class OutsideRange(Named):
    """Deal with numbers that cannot be."""

    rule: Literal["outside_range"]
    column: str
    """Which column, of numbers."""
    min: float | None = Field(None, json_schema_extra={"unit": "of the column"})
    """The least possible value."""
    max: float | None = Field(None, json_schema_extra={"unit": "of the column"})
    """The greatest possible value."""
    action: Literal["missing", "drop_row"] = "missing"
    """Make the value missing, or drop its row."""

    @model_validator(mode="after")
    def _a_range(self) -> "OutsideRange":
        if self.min is None and self.max is None:
            raise ValueError("expected `min`, `max` or both, got neither")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"expected min to be at most max, got {self.min} and {self.max}")
        return self


class DropDuplicates(Named):
    """Keep the first of the rows that are the same in `columns`."""

    compares_rows = True
    of_requests = False
    rule: Literal["drop_duplicates"]
    columns: tuple[str, ...] = ()
    """Which columns make two rows the same; none named means all of them."""


class DropMissing(Named):
    """Drop rows that lack a value in any of `columns`, for instance the target."""

    of_requests = False
    rule: Literal["drop_missing"]
    columns: Columns
    """Which columns."""


Rule = Annotated[
    StripWhitespace
    | MissingCodes
    | Replace
    | Cast
    | OutsideRange
    | DropDuplicates
    | DropMissing
    | ImageRule
    | TextRule,
    Field(discriminator="rule"),
]


class Cleaning(Frozen):
    """The section `clean`."""

    rules: tuple[Rule, ...] = ()
    """What to do, in this order. Each rule has a name, under which the ledger counts."""

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        twice = [name for name, count in Counter(rule.name for rule in rules).items() if count > 1]
        if twice:
            raise Unsuitable(
                f"expected a name of its own for each rule, got {twice[0]!r} twice",
                "the ledger counts by name: call one of the two otherwise",
            )
        return rules

    @field_validator("rules")
    @classmethod
    def _known_to_the_modality(
        cls, rules: tuple[Rule, ...], info: ValidationInfo
    ) -> tuple[Rule, ...]:
        if modality := (info.context or {}).get("modality"):
            known = part(modality, "data.cleaning").CLEANER.known
            for rule in rules:
                if rule.rule not in known:
                    raise Unsuitable(
                        f"expected rules for the modality {modality}, got {rule.rule!r} in the "
                        f"rule {rule.name!r}",
                        nearest(rule.rule, known),
                    )
        return rules


def named_columns(rule: Rule) -> tuple[str, ...]:
    """The columns that a rule names; none when it is about all of them."""
    if isinstance(rule, Replace | OutsideRange):
        return (rule.column,)
    return tuple(rule.columns)


def for_requests(rules: tuple[Rule, ...], columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules for rows that carry `columns` alone and come one by one, such as requests.

    Rules are narrowed to these columns (a request has no target) and left out when nothing
    remains; those that say nothing about a single row's values (`drop_missing`) are left out.
    """
    kept: list[Rule] = []
    for rule in rules:
        if not rule.of_requests:
            continue
        named = named_columns(rule)
        present = [name for name in named if name in columns]
        if named and not present:
            continue
        if isinstance(rule, Cast):
            kept.append(_cast_of(rule, present))
        elif isinstance(rule, Replace | OutsideRange):
            kept.append(rule)
        else:
            kept.append(rule.model_copy(update={"columns": tuple(present)}))
    return tuple(kept)


def tolerant(rule: Rule, present: Collection[str]) -> Rule | None:
    """The rule for a table that has these columns alone and may hold anything: what cannot be read
    becomes missing. None where the rule has nothing left to do."""
    named = named_columns(rule)
    kept = [name for name in named if name in present]
    if named and not kept:
        return None
    if isinstance(rule, Cast):
        return _cast_of(rule, kept).model_copy(update={"on_failure": "missing"})
    if isinstance(rule, DropDuplicates) and kept != list(named):
        return None  # fewer columns make other rows the same
    if isinstance(rule, Replace | OutsideRange):
        return rule
    return rule.model_copy(update={"columns": tuple(kept)})


def _cast_of(rule: Cast, present: list[str]) -> Cast:
    """The rule about these of its columns alone."""
    formats = {name: how for name, how in rule.formats.items() if name in present}
    columns = {name: rule.columns[name] for name in present}
    return rule.model_copy(update={"columns": columns, "formats": formats})
