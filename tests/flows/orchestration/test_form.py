"""What a form may ask for, and what it refuses."""

from typing import Any

import pytest

from flows.orchestration.form import KEYS, Form, read_form
from flows.settings.project_file import settings_of
from pipeline.core.errors import ProjectError


def test_what_is_given_becomes_assignments_and_empty_fields_nothing() -> None:
    form = read_form(
        {
            "project": "adult",
            "from_stage": None,
            "mitigation_strength": 0,
            "max_epochs": 40,
            "learning_rate": 1e-05,
            "deadline_s": 60.5,
        }
    )

    assert form.assignments == (
        "train.mitigation.strength=0.0",
        "train.max_epochs=40",
        "train.learning_rate=1.0e-05",
    )
    assert form.deadline_s == 60.5
    assert read_form({"project": "adult"}).assignments == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "project: expected a value, found none"),
        ({"project": "a", "max_epochs": 2.5}, "max_epochs: expected a whole number from 1 to 1000"),
        ({"project": "a", "max_epochs": True}, "max_epochs: expected a whole number"),
        ({"project": "a", "mitigation_strength": -1}, "mitigation_strength: expected a number"),
        ({"project": "a", "learning_rate": float("nan")}, "learning_rate: expected a number"),
        (
            {"project": "a", "deadline_s": 0},
            "deadline_s: expected a number above 0, at most 604800",
        ),
        ({"project": "a", "seed": 3}, "expected fields of the form"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ProjectError) as refused:
        read_form(values)

    assert str(refused.value).startswith(message)


def test_a_second_wrong_value_is_named_as_well() -> None:
    with pytest.raises(ProjectError) as refused:
        read_form({"project": "a", "max_epochs": 0, "learning_rate": 2})

    assert "max_epochs" in refused.value.message
    assert "learning_rate" in refused.value.findings[0]


@pytest.mark.parametrize("name", KEYS)
def test_each_override_is_a_setting_that_projects_know(name: str) -> None:
    section, *path = KEYS[name].split(".")
    model: Any = settings_of(section)
    for step in path[:-1]:
        model = model.model_fields[step].annotation
    assert path[-1] in model.model_fields
    assert name in Form.model_fields
