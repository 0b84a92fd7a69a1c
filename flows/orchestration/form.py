"""What a form may ask for: a project, a stage to run anew, a deadline, and a few settings.

Prefect's pages make a form of the flow's parameters, one plain field each. What comes in is
checked here, then again by the project's own settings.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from flows.settings.assignments import as_yaml
from pipeline.core.errors import ProjectError
from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.typed_settings import strictly

KEYS = {
    "mitigation_strength": "train.mitigation.strength",
    "max_epochs": "train.max_epochs",
    "learning_rate": "train.learning_rate",
}
"""The settings that an operator may touch, and where they stand in project.yaml."""


class Form(BaseModel):
    """The fields of the flow `build`. An empty one leaves things as project.yaml has them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    project: str = Field(min_length=1)
    """Which project to build, as params.yaml names it."""
    from_stage: str | None = Field(None, json_schema_extra={"enum": list(READING_ORDER)})
    """Run this stage anew even if it is fresh; empty: only what is stale."""
    mitigation_strength: float | None = Field(None, ge=0, le=10)
    """Weight of the penalty on gaps between groups; 0 trains without mitigation."""
    max_epochs: int | None = Field(None, ge=1, le=1000)
    """Passes over the training rows at the most."""
    learning_rate: float | None = Field(None, ge=1e-6, le=1)
    """Step size of training."""
    deadline_s: float | None = Field(None, gt=0, le=7 * 24 * 3600)
    """End everything after so many seconds; empty: never."""

    @property
    def assignments(self) -> tuple[str, ...]:
        """The overrides as `--set` takes them."""
        given = self.model_dump(include=set(KEYS), exclude_none=True)
        return tuple(f"{KEYS[name]}={as_yaml(value)}" for name, value in given.items())


def read_form(values: Mapping[str, Any]) -> Form:
    """Check what a form sent.

    Raises:
        ProjectError: a wrong value; the message names its field and what is expected of it.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        form = strictly(Form, given, {})
    except ValidationError as error:
        problems = [_explained(problem) for problem in error.errors(include_url=False)]
        raise ProjectError(problems[0], findings=problems[1:]) from None
    if form.from_stage is not None and form.from_stage not in READING_ORDER:
        raise ProjectError(
            f"from_stage: expected a stage, got {form.from_stage!r}",
            hint=nearest(form.from_stage, READING_ORDER),
        )
    return form


def field(name: str) -> WithJsonSchema:
    """How the form shows a field: one type, its range, one line of help, no choice of types."""
    schema = dict(Form.model_json_schema()["properties"][name])
    plain = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
    for option in plain:
        schema = {**option, **schema}
    for unwanted in ("default", "title"):
        schema.pop(unwanted, None)
    return WithJsonSchema(schema)


def _explained(problem: Mapping[str, Any]) -> str:
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"{name}: expected a value, found none"
    if problem["type"] == "extra_forbidden":
        return f"expected fields of the form ({', '.join(Form.model_fields)}), got {name!r}"
    return f"{name}: expected {_expected(name)}, got {problem['input']!r}"


def _expected(name: str) -> str:
    schema = field(name).json_schema or {}
    kinds = {"integer": "a whole number", "number": "a number", "string": "text"}
    text = kinds[schema["type"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{text} from {low:g} to {high:g}"
    return f"{text} above {schema['exclusiveMinimum']:g}, at most {high:g}" if high else text
