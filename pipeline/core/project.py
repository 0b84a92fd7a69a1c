"""A project's configuration, `data/<project>/project.yaml`, as frozen typed settings.

The file has one section per stage, named as the stage, and two that stages share: `about`
(for people) and `columns` (what each column is for). A stage is handed its own section and
the shared ones that it names in SECTIONS, nothing else: DVC watches just these.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import ProjectError
from pipeline.core.modality import part
from pipeline.core.paths import READING_ORDER
from pipeline.core.problems import Unsuitable, shown, worded, yaml_problem
from pipeline.core.problems import nearest as nearest

M = TypeVar("M", bound=BaseModel)
Task = Literal["binary", "multiclass", "regression"]
Missing = Literal["median", "level", "drop_row"]
RESERVED = ("_row", "_key", "_weight")
"""Columns that `clean`, `split` and `balance` add."""
WHOLES = ("image", "text")
"""Roles of a column that is the whole feature; each of the modality of its name."""


class Frozen(BaseModel):
    """The base of all settings: read once, never changed, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )


def of_modality(name: str) -> AfterValidator:
    """Marks a field whose type the modality decides: the class `name` in its module `settings`."""
    return AfterValidator(partial(_validate, name))


def modality_class(field: FieldInfo) -> str | None:
    """The name of the class that a field of modality's settings is of; None for other fields."""
    for mark in field.metadata:
        if isinstance(mark, AfterValidator) and isinstance(mark.func, partial):
            return str(mark.func.args[0])
    return None


def _validate(name: str, value: dict[str, Any], info: ValidationInfo) -> Any:
    model = _model_of((info.context or {})["modality"], name)
    return strictly(model, value, info.context or {})


def _model_of(modality: str, name: str) -> type[BaseModel]:
    model: type[BaseModel] = getattr(part(modality, "settings"), name)
    return model


class About(Frozen):
    """What the model and data card say of the project, for people."""

    question: str
    """The question that the model answers, in one sentence."""
    use: str
    """What the answer may be used for, and what not."""
    source: str
    """Where the data come from."""
    licence: str
    """The data's licence."""
    population: str
    """Whom the rows stand for, and when they were collected."""


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


PARAMS_KEYS, ENTRY_KEYS = ("projects", "prices"), ("modality", "schedule")
SHARED: dict[str, type[Frozen]] = {"about": About, "columns": Columns}

S = TypeVar("S", bound=Frozen)


@dataclass(frozen=True)
class Project(Generic[S]):
    """One project as one stage sees it.

    Attributes:
        name: The project's name.
        modality: The kind of its data; names a folder below `pipeline/`.
        settings: The stage's own section.
        shared: The shared sections that the stage asked for.
    """

    name: str
    modality: str
    settings: S
    shared: Mapping[str, Frozen]

    @property
    def columns(self) -> Columns:
        section = self.shared["columns"]
        assert isinstance(section, Columns)  # noqa: S101 -- narrows the type, checks no input
        return section

    @property
    def about(self) -> About:
        section = self.shared["about"]
        assert isinstance(section, About)  # noqa: S101 -- narrows the type, checks no input
        return section


def load_project(
    root: Path,
    name: str,
    stage: str,
    settings: type[S],
    sections: tuple[str, ...],
    models: Mapping[str, type[Frozen]] | None = None,
) -> Project[S]:
    """Read what `stage` may see of the project `name`.

    Args:
        root: Of the repository.
        name: The project's.
        stage: Whose own section becomes `settings`.
        settings: That section's type.
        sections: What else it sees.
        models: The types of sections among them that belong to another stage.

    Raises:
        ProjectError: the project is unknown, its file is not YAML, a section is missing, a key is
            unknown or a value is of the wrong type; the message names file and key.
    """
    modality = projects(root)[known_project(root, name)]
    source = Path("data") / name / "project.yaml"
    content = read_yaml(root, source)
    check_section_names(source, content)
    known = {**SHARED, **(models or {})}
    return Project(
        name=name,
        modality=modality,
        settings=section(source, content, stage, settings, modality),
        shared={key: section(source, content, key, known[key], modality) for key in sections},
    )


def projects(root: Path) -> dict[str, str]:
    """The repository's projects and their modalities, from `params.yaml`."""
    source = Path("params.yaml")
    content = read_yaml(root, source)
    for key in content:
        if key not in PARAMS_KEYS:
            raise ProjectError(f"{source}: unknown key `{key}`", nearest(str(key), PARAMS_KEYS))
    entries = content.get("projects")
    if not isinstance(entries, dict) or not entries:
        raise ProjectError(
            f"{source}: expected projects below the key `projects`, found none",
            hint="`hallmark init FILE --target COLUMN` adds one; by hand it is `projects:`, below "
            "it its name, below that `modality: tabular`",
        )
    for name, entry in entries.items():
        _check_entry(f"{source}: projects.{name}", entry)
    return {str(name): entry["modality"] for name, entry in entries.items()}


def _check_entry(where: str, entry: Any) -> None:
    """A project's lines in params.yaml: its modality and perhaps a schedule."""
    if not isinstance(entry, dict) or not isinstance(entry.get("modality"), str):
        raise ProjectError(
            f"{where}: expected the line `modality: NAME` below it, got {shown(entry)}",
            hint="write `modality: tabular` in the line below, further in",
        )
    for key in entry:
        if key not in ENTRY_KEYS:
            raise ProjectError(f"{where}: unknown key `{key}`", nearest(str(key), ENTRY_KEYS))
    line = str(entry.get("schedule", "never")).strip()
    if line != "never" and len(line.split()) != 5:
        raise ProjectError(
            f"{where}.schedule: expected a cron line of five fields, got {line!r}",
            hint='for instance `schedule: "0 3 * * 1"`, Mondays at three (UTC), or '
            "`schedule: never`",
        )


def known_project(root: Path, name: str) -> str:
    """Return `name` if `params.yaml` has it; raise ProjectError with the nearest one if not."""
    known = projects(root)
    if name not in known:
        raise ProjectError(
            f"expected a project that params.yaml names ({', '.join(known)}), got {name!r}",
            hint=nearest(name, known),
        )
    return name


def read_yaml(root: Path, source: Path) -> dict[str, Any]:
    """Read a YAML mapping; `source` is relative to `root` and named so in messages."""
    text = ""
    try:
        text = (root / source).read_text(encoding="utf-8")
        content = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise ProjectError(f"expected the file {source}, found none", _restored(source)) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise yaml_problem(source, error, text) from None
    if not isinstance(content, dict):
        found = "an empty file" if content is None else shown(content)
        raise ProjectError(
            f"{source}: expected `key: value` lines, found {found}", _restored(source)
        )
    return content


def _restored(source: Path) -> str:
    """How to come by a file that is not there, or is not what it was."""
    back = f"`git checkout {source}` restores a file that git knows"
    if source.name != "project.yaml":
        return back
    new = f"`hallmark init FILE --target COLUMN --name {source.parent.name}` writes one"
    return f"{new}; {back}"


def check_section_names(source: Path, content: Mapping[str, Any]) -> None:
    """Refuse a section that belongs to nobody: DVC would watch it and nothing would read it."""
    known = (*SHARED, *READING_ORDER)
    for key in content:
        if key not in known:
            raise ProjectError(
                f"{source}: unknown section `{key}`; known are {', '.join(known)}",
                hint=nearest(str(key), known),
            )


def section(source: Path, content: Mapping[str, Any], key: str, model: type[M], modality: str) -> M:
    """One section of a project file as its typed settings.

    Raises:
        ProjectError: the section is missing or one of its keys is wrong; the message names it.
    """
    if key not in content:
        raise ProjectError(
            f"{source}: expected the section `{key}`, found none",
            hint=f"add `{key}: {{}}` to keep its defaults",
        )
    if modality:
        part(modality, "settings")  # an unknown one is refused first of all
    value = content[key]
    if not isinstance(value, dict):
        raise ProjectError(
            f"{source}: {key}: expected `key: value` lines, got {shown(value)}",
            hint=f"write `{key}: {{}}` to keep its defaults; `hallmark settings {key}` lists keys",
        )
    try:
        return strictly(model, value, {"modality": modality})
    except ValidationError as error:
        findings, hint = _explained(error, key, model, modality)
        raise ProjectError(f"{source}: {findings[0]}", hint=hint, findings=findings[1:]) from None


def strictly(model: type[M], value: Any, context: Mapping[str, Any]) -> M:
    """Validate without turning a value of another type into the right one: `true` is no 1.

    By way of JSON, as only there pydantic's strict mode takes a list for a tuple.
    """
    return model.model_validate_json(json.dumps(value, default=str), strict=True, context=context)


def _explained(
    error: ValidationError, key: str, model: type[BaseModel], modality: str
) -> tuple[list[str], str]:
    """The problems as findings, and a hint on the first: a section has `hallmark settings`."""
    findings, hints = [], []
    problems = error.errors(include_url=False)
    problems.sort(key=lambda one: one["type"] != "extra_forbidden")  # often the cause of the others
    for problem in problems:
        where = ".".join((key, *map(str, problem["loc"])))
        steps = [step for step in problem["loc"] if isinstance(step, str)]  # without positions
        *place, name = steps or [""]
        known = _known_fields(model, place, modality)
        if problem["type"] == "extra_forbidden":
            finding, hint = f"unknown key `{where}`", nearest(name, tuple(known))
        elif problem["type"] == "missing":
            finding, hint = f"expected the key `{where}`, found none", ""
        else:
            finding, hint = worded(problem, where)
        field = known.get(name)
        if not hint and problem["type"] != "value_error" and field and field.description:
            hint = f"`{name}`: {' '.join(field.description.split())}"
        findings.append(finding)
        hints.append(hint)
    listed = f"`hallmark settings {key}` lists its keys" if _has_settings(key) else ""
    return findings, hints[0] or listed


def _has_settings(key: str) -> bool:
    return key in (*SHARED, *READING_ORDER)


def _known_fields(model: type[BaseModel], place: list[str], modality: str) -> dict[str, FieldInfo]:
    """The keys that settings know at a place inside them."""
    models = [model]
    for step in place:
        fields = [one.model_fields[step] for one in models if step in one.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models(field, modality)]
    return {key: field for one in models for key, field in one.model_fields.items()}


def _models(field: FieldInfo, modality: str) -> list[type[BaseModel]]:
    """The settings that a field holds: its type, or those inside its type, or the modality's."""
    of_its_modality = modality_class(field)
    found = [_model_of(modality, of_its_modality)] if of_its_modality else []
    waiting = [field.annotation]
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
        waiting += get_args(annotation)
    return found
