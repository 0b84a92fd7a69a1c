"""The card's sentences about what is predicted: one of each task, and none of another."""

from typing import Any

import pytest

from pipeline.core.page import task_words
from pipeline.core.settings.columns import Columns

BINARY = Columns(target="rain", positive="yes")
SEVERAL = Columns(target="sky", task="multiclass")
NUMBER = Columns(target="mm", task="regression")
CLASSES = [
    {"class": "blue", "num_rows": 1, "share": 0.25},
    {"class": "grey", "num_rows": 3, "share": 0.75},
]


def test_what_is_predicted() -> None:
    split = {"parts": {"train": {"classes": CLASSES}}}
    assert task_words.fact(BINARY, {}) == ("Positive outcome", "rain is “yes”")
    assert task_words.fact(SEVERAL, split)[1] == "sky: one of “blue” and “grey”"
    assert task_words.fact(NUMBER, {})[1] == "mm, a number"


def test_many_classes_are_counted() -> None:
    many = [{"class": f"c{i}", "num_rows": 1, "share": 0.05} for i in range(20)]
    split = {"parts": {"train": {"classes": many}}}
    assert task_words.fact(SEVERAL, split)[1] == "sky: one of 20 classes"
    assert task_words.of_part(SEVERAL, {"classes": many}).endswith(" and 12 more")


def test_a_part_by_its_targets() -> None:
    target = {"mean": 12.5, "mean_low": 11, "mean_high": 14}
    rate = {"positive_rate": 0.3, "positive_rate_low": 0.2, "positive_rate_high": 0.4}
    assert task_words.of_part(BINARY, rate) == "30.0% (20.0% to 40.0%)"
    assert task_words.of_part(SEVERAL, {"classes": CLASSES}) == "grey 75.0%, blue 25.0%"
    assert task_words.of_part(NUMBER, {"target": target}) == "12.5 (11 to 14)"


@pytest.mark.parametrize(
    ("columns", "case", "words"),
    [
        (BINARY, {"probability": 0.99999, "decision": 1}, "> 99.9%: decided positive"),
        (BINARY, {"probability": 0.0, "decision": 0}, "< 0.1%: decided negative"),
        (SEVERAL, {"probability": 0.5, "decision": "grey"}, "50.0%: decided “grey”"),
        (NUMBER, {"prediction": 1234.5}, "predicted 1,234"),
    ],
)
def test_a_case(columns: Columns, case: dict[str, Any], words: str) -> None:
    assert task_words.case(columns, case) == words


@pytest.mark.parametrize("columns", [SEVERAL, NUMBER])
def test_no_positive_outcome_where_there_is_none(columns: Columns) -> None:
    policy = {"temperature": 1.25}
    said = [
        task_words.role(columns),
        task_words.decides(columns, policy),
        task_words.after_training(columns, policy),
        *(
            one(columns)
            for one in (
                task_words.spread,
                task_words.spread_caption,
                task_words.of_parts,
                task_words.alike,
                task_words.in_data,
                task_words.of_groups,
                task_words.unit,
                task_words.cases,
            )
        ),
    ]
    assert all(said)
    assert "ositive" not in " ".join(said)
    assert ("1.25" in said[2]) == (columns is SEVERAL)
