"""The JSON Schema of `project.yaml`, from the typed settings: what editors complete and check by.

`docs/project.schema.json` is the committed copy; `make docs` writes it.
"""

from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

import pipeline
from flows.settings.keys import MODALITY
from flows.settings.project_file import settings_of
from flows.settings.stage_docs import docstring
from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.modality import part
from pipeline.core.settings.sections import SHARED
from pipeline.core.settings.typed_settings import modality_class

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SECTION_NAMES = (*SHARED, *READING_ORDER)


class WithoutTitles(GenerateJsonSchema):
    """Leaves out the titles, which say the key again."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 -- pydantic's signature
        return False


def modalities() -> tuple[str, ...]:
    """The kinds of data that the pipeline knows: the folders of pipeline/ that have settings."""
    folder = Path(pipeline.__file__).parent
    return tuple(sorted(file.parent.name for file in folder.glob("*/settings.py")))


def project_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a whole project file."""
    models = {name: model for name in SECTION_NAMES if (model := section_model(name))}
    references, definitions = models_json_schema(
        [(model, "validation") for model in models.values()], schema_generator=WithoutTitles
    )
    for definition in definitions["$defs"].values():
        definition.pop("title", None)
        for field in definition["properties"].values():
            _plain(field)
    return {
        "$schema": DIALECT,
        "title": "project.yaml of Hallmark",
        "description": "One section per stage, and two that stages share. An empty section, {}, "
        "keeps its defaults.",
        "type": "object",
        "properties": {
            name: {**references[(model, "validation")], "description": described(name)}
            for name, model in models.items()
        },
        "required": list(models),
        "additionalProperties": False,
        **definitions,
    }


def _plain(field: dict[str, Any]) -> None:
    """Descriptions on one line; no defaults of what has keys of its own, and no OpenAPI."""
    if "description" in field:
        field["description"] = " ".join(field["description"].split())
    if "$ref" in field or any(MODALITY in kind for kind in field.get("anyOf", ())):
        field.pop("default", None)
    field.get("items", {}).pop("discriminator", None)


def described(section: str) -> str:
    """What a section is about, in one sentence: its stage's, or that of its class."""
    if section in SHARED:
        text = SHARED[section].__doc__ or ""
    else:
        text = docstring(section).partition("\n\n")[0]
    return " ".join(text.split())


def section_model(section: str) -> type[BaseModel] | None:
    """A section's settings under a name of their own, with what the modality decides filled in."""
    model = settings_of(section)
    if model is None:
        return None
    filled: Any = {
        name: (_of_all_modalities(wanted), Field(description=field.description, default={}))
        for name, field in model.model_fields.items()
        if (wanted := modality_class(field))
    }
    return create_model(f"{section}_settings", __base__=model, __doc__=model.__doc__, **filled)


def _of_all_modalities(name: str) -> Any:
    """The class `name` of each modality's settings, as a union that is marked with them."""
    models: list[Any] = [
        Annotated[
            getattr(part(modality, "settings"), name),
            Field(json_schema_extra={MODALITY: modality}),
        ]
        for modality in modalities()
    ]
    return reduce(or_, models)
