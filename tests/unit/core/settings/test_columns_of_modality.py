"""A project of images or texts has one of them, and no other feature; a project of tables none."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.core.settings.columns import Columns
from pipeline.core.settings.typed_settings import strictly


def columns(modality: str, **roles: Any) -> Columns:
    content = {"target": "label", "task": "multiclass", **roles}
    return strictly(Columns, content, {"modality": modality})


@pytest.mark.parametrize("role", ["image", "text"])
def test_the_one_feature_of_its_modality(role: str) -> None:
    found = columns(role, **{role: "whole"}, sensitive=["sex"], missing={"whole": "drop_row"})
    assert found.features == ("whole",)


@pytest.mark.parametrize(
    ("modality", "roles", "words"),
    [
        ("image", {}, "image: expected the column that is the image"),
        ("text", {}, "text: expected the column that is the text"),
        ("tabular", {"image": "x"}, "image: expected none of a project of the modality tabular"),
        ("image", {"image": "x", "text": "y"}, "text: expected none of .* modality image"),
        ("image", {"image": "x", "numeric": ["n"]}, "no feature beside the image, got 'n'"),
        ("image", {"image": "x", "missing": {"x": "median"}}, "expected drop_row, got median"),
    ],
)
def test_other_columns_are_refused_by_name(
    modality: str, roles: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        columns(modality, **roles)
