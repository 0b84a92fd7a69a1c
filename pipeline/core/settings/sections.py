"""One section of a settings file as typed settings; what is wrong is told by its dotted key.

A project file has a section per stage, named as the stage, and two that stages share: `about` (for
people) and `columns` (what each column is for).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.core.errors import ProjectError
from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.problems import nearest, shown, worded
from pipeline.core.settings.typed_settings import (
    Frozen,
    class_of_modality,
    modality_class,
    strictly,
)

M = TypeVar("M", bound=BaseModel)


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


SHARED: dict[str, type[Frozen]] = {"about": About, "columns": Columns}


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
    found = [class_of_modality(modality, of_its_modality)] if of_its_modality else []
    waiting = [field.annotation]
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
        waiting += get_args(annotation)
    return found
