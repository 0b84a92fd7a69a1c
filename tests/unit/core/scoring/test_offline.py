"""What a service answers beside what is known offline: right answers pass, each fault is named."""

from typing import Any

import numpy as np
import pytest

from pipeline.core.prediction.outcome import Outcome
from pipeline.core.scoring.offline import Classes, Decisions, Numbers
from pipeline.core.settings.columns import Columns
from pipeline.rehearse.bad_requests import bad_requests

TWO = Decisions(np.array([0.9, 0.2]), np.array([True, False]), ["low", "high"], 1e-6)
THREE = Classes(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]), ["a", "b", "c"], 1e-6)
NUMBERS = Numbers(np.array([120.0, 1100.0]), Outcome("regression", mean=100.0, scale=10.0), 1e-5)


def of_two(label: str, probability: Any, decision: Any) -> dict[str, Any]:
    return {"label": label, "probability": probability, "decision": decision}


def of_three(label: str, probability: Any, *values: Any) -> dict[str, Any]:
    given = dict(zip("abc", values, strict=True))
    return {"label": label, "probability": probability, "probabilities": given}


@pytest.mark.parametrize(
    ("second", "passes", "words"),
    [
        (of_two("low", 0.2, False), True, "0 other decisions, 0 wrong labels"),
        (of_two("low", 0.2000005, False), True, "at most 5e-07"),
        (of_two("low", 0.3, False), False, "at most 0.1 from those of 2 rows"),
        (of_two("high", 0.2, True), False, "1 other decisions, 0 wrong labels"),
        (of_two("high", 0.2, False), False, "0 other decisions, 1 wrong labels"),
    ],
)
def test_two_classes(second: dict[str, Any], passes: bool, words: str) -> None:
    answers = [TWO.read(one) for one in (of_two("high", 0.9, True), second)]
    found = TWO.compared(answers)
    assert (found.passed, words in found.found) == (passes, True), found.found


@pytest.mark.parametrize(
    ("second", "passes", "words"),
    [
        (of_three("c", 0.6, 0.1, 0.3, 0.6), True, "0 other classes"),
        (of_three("b", 0.3, 0.1, 0.3, 0.6), False, "1 other classes"),
        (of_three("c", 0.3, 0.1, 0.3, 0.6), False, "1 other classes"),  # of another class
        (of_three("c", 0.6, 0.2, 0.2, 0.6), False, "at most 0.1 from those of 2 rows"),
        (of_three("c", 0.6, 0.1, 0.3, 0.7), False, "sums at most 0.1 from 1"),
    ],
)
def test_several_classes(second: dict[str, Any], passes: bool, words: str) -> None:
    answers = [THREE.read(one) for one in (of_three("a", 0.7, 0.7, 0.2, 0.1), second)]
    found = THREE.compared(answers)
    assert (found.passed, words in found.found) == (passes, True), found.found
    assert "all 3 classes" in found.expected


@pytest.mark.parametrize(
    ("numbers", "passes", "words"),
    [
        ([120.0, 1100.0], True, "at most 0 from"),
        ([120.0001, 1100.0], True, "5e-06 of that"),  # two deviations above the mean: 20 wide
        ([120.001, 1100.0], False, "at most 0.001 from those of 2 rows, 5e-05 of that"),
        ([120.0, 1100.009], True, "9e-06 of that"),  # 1000 above the mean
        ([120.0, 1100.02], False, "2e-05 of that"),
    ],
)
def test_numbers(numbers: list[float], passes: bool, words: str) -> None:
    found = NUMBERS.compared([NUMBERS.read({"prediction": one}) for one in numbers])
    assert (found.passed, words in found.found) == (passes, True), found.found


@pytest.mark.parametrize(
    ("kind", "answer", "words"),
    [
        (TWO, of_two("high", True, True), "a number as `probability`"),
        (TWO, of_two("high", 0.9, 1), "true or false as `decision`"),
        (TWO, {"label": "high", "probability": 0.9}, "decision"),
        (THREE, of_three("a", "0.7", 0.7, 0.2, 0.1), "a number as `probability`"),
        (THREE, of_three("a", 0.7, 0.7, None, 0.1), "a number as `b`"),
        (THREE, {"label": "a", "probability": 0.7, "probabilities": {"a": 1}}, "every class"),
        (THREE, {"label": "a", "probability": 0.7, "probabilities": [0.7]}, "an object"),
        (NUMBERS, {"prediction": "120"}, "a number as `prediction`"),
        (NUMBERS, {"label": "a"}, "prediction"),
    ],
)
def test_an_answer_without_its_parts_is_none(kind: Any, answer: Any, words: str) -> None:
    with pytest.raises((TypeError, KeyError), match=words):
        kind.read(answer)


@pytest.mark.parametrize("required", [True, False])
def test_a_row_without_fields_is_bad_only_where_one_must_be_there(required: bool) -> None:
    kind = "expect_column_values_to_not_be_null"
    rule = {"type": kind, "severity": "critical", "kwargs": {"column": "a"}}
    contract = {"prepared": {"expectations": [rule] if required else []}}
    columns = Columns(target="y", task="regression", numeric=("a",), categorical=("b",))
    made = bad_requests({"a": 1, "b": "x"}, columns, contract, max_rows=3, max_body_bytes=2000)
    assert ("no fields at all" in {one.name for one in made}) == required
