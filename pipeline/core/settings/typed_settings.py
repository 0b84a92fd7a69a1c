"""What settings are made of: frozen pydantic models that refuse what they do not know.

A value of another type is refused rather than turned into the right one; a field may leave its
type to the project's modality.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo
from pydantic.fields import FieldInfo

from pipeline.core.settings.modality import part

M = TypeVar("M", bound=BaseModel)


class Frozen(BaseModel):
    """The base of all settings: read once, never changed, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )


def strictly(model: type[M], value: Any, context: Mapping[str, Any]) -> M:
    """Validate without turning a value of another type into the right one: `true` is no 1.

    By way of JSON, as only there pydantic's strict mode takes a list for a tuple.
    """
    return model.model_validate_json(json.dumps(value, default=str), strict=True, context=context)


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
    model = class_of_modality((info.context or {})["modality"], name)
    return strictly(model, value, info.context or {})


def class_of_modality(modality: str, name: str) -> type[BaseModel]:
    """The class `name` in a modality's module `settings`."""
    model: type[BaseModel] = getattr(part(modality, "settings"), name)
    return model
