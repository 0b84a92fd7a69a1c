"""A field that is an image, or a text in words: its limits, and its measures in the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.service.checks import Enforcement

if TYPE_CHECKING:
    from pipeline.service.fields import Field

Kind = Literal["image", "text"]
LIMITS: Mapping[str, Kind] = {
    "max_image_bytes": "image",
    "max_image_pixels": "image",
    "max_image_side": "image",
    "max_text_characters": "text",
}
"""The settings of `package` that are limits of single values, and of which."""
INSTANCES: Mapping[str, str] = {
    "image": "a PNG or JPEG file in base64",
    "text": "a sentence",
}
"""Values in words: an image is too long to be shown, and a text may be somebody's own."""


@dataclass(frozen=True)
class Whole:
    """What is known of such a field before its text.

    Attributes:
        kind: What it is.
        limits: By the name of the setting.
        measures: What the contract's critical rules have its measures be, in words.
        example: A valid value.
    """

    kind: Kind
    limits: Mapping[str, int]
    measures: tuple[str, ...]
    example: Any


def wholes_of(
    columns: Columns, modality: str, enforced: Enforcement, limits: Mapping[str, int]
) -> dict[str, Whole]:
    """The project's image or text, by its name; none of tables.

    Args:
        columns: The project's columns.
        modality: The project's.
        enforced: The contract's row-level rules.
        limits: Those of `package`, by the names of LIMITS.
    """
    kinds: dict[Kind, str | None] = {"image": columns.image, "text": columns.text}
    found = {}
    for kind, name in kinds.items():
        if name is None:
            continue
        checks = [check for check in enforced.of_whole(name) if check.critical]
        example = part(modality, "serving.cells").example(name, checks)
        of_kind = {key: limit for key, limit in limits.items() if LIMITS[key] == kind}
        found[name] = Whole(kind, of_kind, _measures(name, checks), example)
    return found


def stated(wholes: Mapping[str, Whole]) -> dict[str, int]:
    """The limits that say something about a project."""
    return {name: limit for whole in wholes.values() for name, limit in whole.limits.items()}


def expected(kind: str, limits: Mapping[str, int]) -> str:
    """What a value must be, in words."""
    if kind == "text":
        return f"a text of 1 to {limits['max_text_characters']:,} characters"
    return (
        f"a PNG or JPEG image in base64, of at most {limits['max_image_bytes']:,} bytes, "
        f"{limits['max_image_pixels']:,} pixels and {limits['max_image_side']:,} pixels a side"
    )


def schema(field: "Field") -> dict[str, Any]:
    """The field in JSON Schema, as OpenAPI 3.1 has it."""
    found = {
        "title": field.title,
        "type": "string",
        "description": "; ".join(filter(None, (field.expected, *field.measures, field.note))),
        "examples": [field.example],
        "minLength": 1,
    }
    if field.kind == "text":
        return {**found, "maxLength": field.limits["max_text_characters"]}
    stated = {f"x-{name.replace('_', '-')}": limit for name, limit in field.limits.items()}
    return {**found, "contentEncoding": "base64", **stated}


def _measures(name: str, checks: list[Any]) -> tuple[str, ...]:
    """`width 28`, for each rule about one measure."""
    return tuple(
        f"{check.columns[0].removeprefix(f'{name}.')} {check.expected}"
        for check in checks
        if len(check.columns) == 1 and check.columns[0] != name
    )
