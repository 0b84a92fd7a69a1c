"""Groups of people: named once, cut at stated edges, none lost."""

import polars as pl
import pytest
from pydantic import ValidationError

from pipeline.core.dataset.groups import MAX_LEVELS, crossings, group_names, level_order, levels
from pipeline.core.errors import ProjectError
from tests.people import columns_of

TABLE = pl.DataFrame({"sex": ["f", "m", None, "f"], "age": [24.0, 25.0, None, 70.0]})
COLUMNS = columns_of(
    numeric=["hours"], sensitive=["sex", "age"], sensitive_edges={"age": [25.0, 65.0]}
)


def test_a_number_is_named_by_its_range_and_the_lower_edge_belongs_to_it() -> None:
    found = levels(TABLE, "age", COLUMNS)
    assert found.to_list() == ["< 25", "25 to < 65", "(missing)", "≥ 65"]


def test_groups_stand_in_the_order_that_people_would_list_them() -> None:
    assert level_order(levels(TABLE, "age", COLUMNS), COLUMNS) == [
        "< 25",
        "25 to < 65",
        "≥ 65",
        "(missing)",
    ]
    assert level_order(pl.Series("sex", ["10", "9", "(missing)"]), COLUMNS) == [
        "9",
        "10",
        "(missing)",
    ]
    assert level_order(pl.Series("sex", ["m", "f"]), COLUMNS) == ["f", "m"]


def test_a_crossing_names_both() -> None:
    found = group_names(TABLE, ("sex", "age"), COLUMNS)
    assert found.name == "sex × age"
    assert found.to_list() == ["f × < 25", "m × 25 to < 65", "(missing) × (missing)", "f × ≥ 65"]


def test_crossings_go_as_deep_as_asked() -> None:
    assert crossings("abc", 1) == [("a",), ("b",), ("c",)]
    assert crossings("abc", 3)[3:] == [("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")]
    assert crossings((), 3) == []


def test_a_number_with_many_values_needs_edges() -> None:
    table = pl.DataFrame({"sex": range(MAX_LEVELS + 1)})
    with pytest.raises(ProjectError, match="found a number with 51 values") as caught:
        levels(table, "sex", COLUMNS)
    assert "sensitive_edges: {sex:" in caught.value.hint


def test_edges_of_a_text_are_refused() -> None:
    with pytest.raises(
        ProjectError, match=r"columns\.sensitive_edges\.age: expected a column of n"
    ):
        levels(pl.DataFrame({"age": ["old"]}), "age", COLUMNS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sensitive_edges": {"hours": [1.0]}}, "expected a sensitive column"),
        ({"sensitive_edges": {"sex": [2.0, 1.0]}}, "expected ascending numbers"),
        ({"positive": ""}, "expected `positive`"),
        ({"task": "regression"}, "expected no `positive` where the task is regression"),
    ],
)
def test_columns_that_say_nonsense_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        columns_of(**changes)


def test_what_is_no_number_lies_in_no_range() -> None:
    table = pl.DataFrame({"age": [24.0, float("nan"), None, 70.0]})
    assert levels(table, "age", COLUMNS).to_list() == ["< 25", "(missing)", "(missing)", "≥ 65"]


def test_two_groups_cannot_have_one_name() -> None:
    table = pl.DataFrame({"sex": ["a × b", "a"], "age": [24.0, 30.0]})
    with pytest.raises(ProjectError, match="expected values of 'sex' without ' × '"):
        group_names(table, ("sex", "age"), COLUMNS)
