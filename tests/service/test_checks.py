"""The contract's rules as checks of one value, and how a delivered value is read."""

from typing import Any

import pytest

from pipeline.core.project import Columns
from pipeline.service.checks import enforcement
from pipeline.service.fields import fields_of
from pipeline.service.requests import Reader
from pipeline.tabular.cells import UNREADABLE, as_delivered, columns_of
from pipeline.tabular.encoding import Encoder
from tests.packaged import expectation


def passes(entry: dict[str, Any], value: Any) -> bool:
    (check,) = enforcement({"prepared": {"expectations": [entry]}}, ("a", "b")).checks
    return check.passes(value)


@pytest.mark.parametrize(
    ("kind", "arguments", "kept", "broken"),
    [
        ("values_to_not_be_null", {}, [0, "", False], [None]),
        ("values_to_be_in_set", {"value_set": ["x", 1]}, ["x", 1, None], ["y", 2]),
        ("values_to_not_be_in_set", {"value_set": ["x"]}, ["y", None], ["x"]),
        ("values_to_be_between", {"min_value": 1, "max_value": 3}, [1, 3, 2.5, None], [0.9, 4]),
        ("values_to_be_between", {"min_value": 1}, [1, 1e9], [0]),
        ("values_to_be_between", {"max_value": 3, "strict_max": True}, [2.9], [3]),
        ("values_to_be_between", {"min_value": 1, "strict_min": True}, [1.1], [1]),
        ("values_to_match_regex", {"regex": "b+"}, ["abc", None], ["ac"]),
        ("values_to_not_match_regex", {"regex": "^b"}, ["ab", None], ["ba"]),
        ("value_lengths_to_be_between", {"min_value": 2, "max_value": 3}, ["ab", None], ["a"]),
        ("values_to_be_of_type", {"type_": "int64"}, [3], [3.5, None, "3", True]),
        ("values_to_be_of_type", {"type_": "float64"}, [3, 3.5], [None, "3", True]),
        ("values_to_be_of_type", {"type_": "str"}, ["3", None], [3]),
        ("values_to_be_of_type", {"type_": "bool"}, [True], [1]),
    ],
)
def test_a_rule_on_one_value(
    kind: str, arguments: dict[str, Any], kept: list[Any], broken: list[Any]
) -> None:
    entry = expectation(f"expect_column_{kind}", column="a", **arguments)
    assert [passes(entry, value) for value in kept] == [True] * len(kept)
    assert [passes(entry, value) for value in broken] == [False] * len(broken)


PAIRS = expectation(
    "expect_column_pair_values_to_be_in_set",
    column_A="a",
    column_B="b",
    value_pairs_set=[["x", 1], ["y", None]],
)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (expectation("expect_table_row_count_to_equal", value=1), "the whole table"),
        (expectation("expect_column_values_to_not_be_null", column="z"), "do not carry z"),
        (expectation("expect_column_values_to_be_unique", column="a"), "many rows"),
        ({**PAIRS, "kwargs": {**PAIRS["kwargs"], "column_B": "z"}}, "do not carry z"),
        (
            expectation("expect_column_values_to_be_of_type", column="a", type_="money"),
            "the type money",
        ),
        (
            expectation("expect_column_values_to_not_be_null", column="a", row_condition="x"),
            "a condition",
        ),
    ],
)
def test_what_cannot_be_checked_on_one_row_is_listed(entry: dict[str, Any], reason: str) -> None:
    found = enforcement({"prepared": {"expectations": [entry]}}, ("a", "b"))
    assert (found.checks, found.enforced) == ((), ())
    assert reason in found.not_enforced[0]["reason"]


def reader(*entries: dict[str, Any]) -> Reader:
    """A reader of a: text with the levels x and y, and b: a whole number."""
    columns = Columns(target="t", positive="p", numeric=("b",), categorical=("a",))
    enforced = enforcement({"prepared": {"expectations": list(entries)}}, columns.features)
    fields = fields_of(columns, (), enforced, {"a": "String", "b": "Int64"}, {})
    encoder = Encoder({"b": [0.0, 1.0, 2.0]}, {"a": ["x", "y"]})
    cells = columns_of(fields, (), encoder, enforced)
    return Reader(fields, columns, cells, 1, enforced)


def test_pairs_are_checked_on_clean_values() -> None:
    rows = [{"a": "x", "b": 1}, {"a": "y"}, {"a": "x", "b": 2}, {"a": "y", "b": 1}]
    readings = reader(PAIRS).read([[row] for row in rows]).readings
    assert [bool(one.findings) for one in readings] == [False, False, True, True]
    finding = readings[2].findings[0]
    assert (finding["field"], finding["found"]) == ("a and b", "['x', 2]")
    soft = reader({**PAIRS, "severity": "warning"}).read([[rows[0], rows[2]]]).readings[0]
    assert (soft.findings, list(soft.warnings)) == ([], [1])


def test_codes_are_the_encoders() -> None:
    batch = reader().read([[{"a": "y", "b": 1}, {"a": "new", "b": None}, {"b": 2.0}]])
    assert batch.codes.tolist() == [[1.0, 3.0], [-1.0, 0.0], [2.0, 1.0]]


def test_a_level_that_training_met_too_rarely_is_warned_of() -> None:
    reading = reader().read([[{"a": "rare", "b": 1}]]).readings[0]
    assert reading.findings == []
    assert "training rows had often enough" in reading.warnings[0][0]


def test_true_is_not_read_as_one_which_was_met_before() -> None:
    one = reader()
    for _ in range(2):
        first, second = one.read([[{"b": 1}], [{"b": True}]]).readings
        assert first.findings == []
        assert second.findings[0]["found"] == "true"


@pytest.mark.parametrize(
    ("value", "delivered", "expected"),
    [
        (None, "text", None),
        (39, "text", "39"),
        (39.0, "text", "39"),
        (-0.0, "text", "0"),
        (0.1, "text", "0.1"),
        (True, "text", UNREADABLE),
        (39.0, "integer", 39),
        (39.5, "integer", UNREADABLE),
        (2**63, "integer", UNREADABLE),
        ("39", "integer", UNREADABLE),
        (39, "float", 39.0),
        (True, "boolean", True),
        (1, "boolean", UNREADABLE),
        ([1], "float", UNREADABLE),
    ],
)
def test_a_json_value_in_the_delivered_type(value: Any, delivered: str, expected: Any) -> None:
    found = as_delivered(value, delivered)
    assert (type(found), found) == (type(expected), expected)
