"""The section `columns` of a project: what each delivered column is for.

Roles that do not go together are refused, with what to change in the file.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationInfo, model_validator

from pipeline.core.settings.problems import Unsuitable
from pipeline.core.settings.typed_settings import Frozen

Task = Literal["binary", "multiclass", "regression"]
Missing = Literal["median", "level", "drop_row"]
RESERVED = ("_row", "_key", "_weight")
"""Columns that `clean`, `split` and `balance` add."""
WHOLES = ("image", "text")
"""Roles of a column that is the whole feature; each of the modality of its name."""


class Columns(Frozen):
    """What each delivered column is for. Every column has exactly one role, except sensitive ones,
    which may be features as well."""

    target: str
    """The column to predict."""
    task: Task = "binary"
    """What is predicted: one of two classes, one of several, or a number."""
    positive: str = ""
    """The target's value that counts as a positive decision; of a binary task, and needed there."""
    numeric: tuple[str, ...] = ()
    """Features that are numbers."""
    categorical: tuple[str, ...] = ()
    """Features with levels, booleans among them."""
    dates: tuple[str, ...] = ()
    """Features that are dates or times: parts of each row's own date become numbers."""
    image: str | None = None
    """The feature that is an image, PNG or JPEG in bytes; of the modality image."""
    text: str | None = None
    """The feature that is a text in words; of the modality text."""
    missing: Mapping[str, Missing] = Field(default_factory=dict)
    """What a missing value of a feature becomes: of a number or a date the `median` of the training
    rows beside an indicator, of a category a `level` of its own; both hold for what is not named.
    `drop_row` drops such rows in `clean`, and the service refuses them."""
    identifier: str | None = None
    """The column that names whom a row is about: no feature, and its values are never shown."""
    weight: str | None = None
    """A column of row weights, such as a survey's: they count in training, and it is no feature."""
    no_sensitive: str | None = Field(None, pattern=r"\S")
    """Why no column is sensitive; the card shows it. Without a reason and without `sensitive` the
    gate says that there is not enough evidence about groups."""
    sensitive: tuple[str, ...] = ()
    """Columns whose groups are audited; never features unless named there as well."""
    sensitive_edges: Mapping[str, tuple[float, ...]] = Field(
        default_factory=dict, json_schema_extra={"unit": "of the column"}
    )
    """Where a sensitive number is cut into groups: `age: [25, 45, 65]` makes four."""
    drop: Mapping[str, str] = Field(default_factory=dict)
    """Columns that are not used, each with the reason."""

    @property
    def features(self) -> tuple[str, ...]:
        return self.numeric + self.categorical + self.dates + self.wholes

    @property
    def wholes(self) -> tuple[str, ...]:
        """Features that are one whole value: an image, or a text in words."""
        return tuple(name for name in (self.image, self.text) if name)

    @property
    def images(self) -> tuple[str, ...]:
        """The columns of bytes."""
        return (self.image,) if self.image else ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that must be delivered, once."""
        held_out = [name for name in (self.identifier, self.weight) if name]
        named = (*self.features, *self.sensitive, *self.drop, *held_out, self.target)
        return tuple(dict.fromkeys(named))

    @model_validator(mode="after")
    def _positive_class(self) -> "Columns":
        if self.task == "binary" and not self.positive:
            raise Unsuitable(
                "expected `positive`, the target's value that counts as positive, found none",
                "add `positive: VALUE`; with more than two values set `task: multiclass`, with "
                "numbers `task: regression`",
            )
        if self.task != "binary" and self.positive:
            raise Unsuitable(
                f"expected no `positive` where the task is {self.task}, got {self.positive!r}",
                "remove the line `positive`",
            )
        return self

    @model_validator(mode="after")
    def _names_that_are_free(self) -> "Columns":
        for column in self.all:
            if column in RESERVED:
                raise ValueError(
                    f"expected no column {column!r}: stages add one of this name; rename the "
                    "delivered column at its source"
                )
            if column == "*" or (column.startswith("^") and column.endswith("$")):
                raise ValueError(
                    f"expected names that are no pattern for several columns, got {column!r}; "
                    "rename the delivered column at its source"
                )
        return self

    @model_validator(mode="after")
    def _edges_of_sensitive_columns(self) -> "Columns":
        for column, edges in self.sensitive_edges.items():
            if column not in self.sensitive:
                raise Unsuitable(
                    f"sensitive_edges.{column}: expected a sensitive column "
                    f"({', '.join(self.sensitive) or 'none'})",
                    f"name {column!r} under `columns.sensitive` too, or remove its edges",
                )
            if not edges or list(edges) != sorted(set(edges)):
                raise Unsuitable(
                    f"sensitive_edges.{column}: expected ascending numbers, got {list(edges)}",
                    "three edges make four groups: `age: [25, 45, 65]`",
                )
        return self

    @model_validator(mode="after")
    def _rules_for_missing_values(self) -> "Columns":
        for column, rule in self.missing.items():
            if column not in (*self.features, *self.sensitive):
                raise Unsuitable(
                    f"missing.{column}: expected a feature or a sensitive column, found another",
                    f"name {column!r} under numeric, categorical or dates, or remove the line",
                )
            suitable = {"drop_row", "level" if column in self.categorical else "median"}
            if column not in (*self.numeric, *self.categorical, *self.dates):
                suitable = {"drop_row"}
            if rule not in suitable:
                raise Unsuitable(
                    f"missing.{column}: expected {' or '.join(sorted(suitable))}, got {rule}",
                    "`median` is for numbers and dates, `level` for categories",
                )
        return self

    @model_validator(mode="after")
    def _a_reason_for_no_sensitive_column(self) -> "Columns":
        if self.no_sensitive and self.sensitive:
            raise Unsuitable(
                "expected `sensitive` or `no_sensitive`, got both",
                "`no_sensitive` is the reason why there is none: remove one of the two",
            )
        return self

    @model_validator(mode="after")
    def _features_of_the_modality(self, info: ValidationInfo) -> "Columns":
        modality = (info.context or {}).get("modality")
        for role in WHOLES if modality else ():
            if modality != role and getattr(self, role):
                raise Unsuitable(
                    f"{role}: expected none of a project of the modality {modality}, "
                    f"got {getattr(self, role)!r}",
                    f"say `modality: {role}` under `projects` in params.yaml, or give the column "
                    "another role",
                )
        if modality in WHOLES:
            self._check_whole(modality)
        return self

    def _check_whole(self, role: str) -> None:
        """Refuse a project of images or texts without one, or with other features beside it."""
        if not getattr(self, role):
            raise Unsuitable(
                f"{role}: expected the column that is the {role}, as params.yaml says "
                f"`modality: {role}`, found none",
                f"name it under `columns`: `{role}: NAME`",
            )
        if others := [*self.numeric, *self.categorical, *self.dates]:
            raise Unsuitable(
                f"expected no feature beside the {role}, got {', '.join(map(repr, others))}",
                f"networks for {role}s see nothing else: move them to `columns.drop` with the "
                "reason",
            )

    @model_validator(mode="after")
    def _one_role_each(self) -> "Columns":
        roles: dict[str, list[str]] = {}
        for role in ("numeric", "categorical", "dates", "drop"):
            for column in getattr(self, role):
                roles.setdefault(column, []).append(role)
        for role in ("image", "text", "identifier", "weight", "target"):
            if column := getattr(self, role):
                roles.setdefault(column, []).append(role)
        for column in self.sensitive:
            if set(roles.get(column, ())) & {"drop", "target", "identifier", "weight"}:
                roles[column].append("sensitive")
            if self.sensitive.count(column) > 1:
                roles[column] = ["sensitive", "sensitive"]
        clashes = {column: names for column, names in roles.items() if len(names) > 1}
        if clashes:
            column, names = next(iter(clashes.items()))
            raise Unsuitable(
                f"expected one role for column {column!r}, got {' and '.join(names)}",
                f"name {column!r} in one place alone; only a sensitive column may be a feature too",
            )
        return self
