"""The contract's rules as checks of one value, and how a delivered value is read."""

from typing import Any

import pytest

from pipeline.core.cleaning.cells import UNREADABLE, as_delivered
from pipeline.core.prediction.policy import GroupThresholds, Mixture, Policy
from pipeline.core.settings.columns import Columns
from pipeline.service.checks import enforcement
from pipeline.service.fields import fields_of
from pipeline.service.requests import Reader, group_columns_of
from pipeline.tabular.data import cleaning
from pipeline.tabular.model.encoding import Encoder
from pipeline.tabular.serving.cells import cells_of
from tests.bento_inputs import expectation


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
    cells = cells_of(fields, columns, (), encoder, enforced)
    return Reader(fields, columns, cells, enforced)


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


ALWAYS = Mixture(1.0, -1.0, 0.0, 1.0)
SEX_AND_B = GroupThresholds(
    columns=("sex", "b"),
    edges={"b": (2.0,)},
    salt="0",
    groups={"f × < 2": ALWAYS, "m × ≥ 2": ALWAYS},
)


def deciding_reader(*entries: dict[str, Any]) -> Reader:
    """The same, decided by sex, which is no feature, and by b, which is one."""
    columns = Columns(
        target="t",
        positive="p",
        numeric=("b",),
        categorical=("a",),
        sensitive=("sex", "b"),
        sensitive_edges={"b": (2.0,)},
    )
    policy = Policy(1.0, 0.5, SEX_AND_B)
    enforced = enforcement({"prepared": {"expectations": list(entries)}}, ("b", "a", "sex"))
    delivered = {"a": "String", "b": "Int64", "sex": "String"}
    fields = fields_of(columns, (), enforced, delivered, {}, policy)
    encoder = Encoder({"b": [0.0, 1.0, 2.0]}, {"a": ["x", "y"]})
    cells = cells_of(fields, columns, (), encoder, enforced)
    groups = group_columns_of(fields, (), SEX_AND_B, enforced, cleaning.apply)
    return Reader(fields, columns, cells, enforced, groups)


def test_a_rows_group_is_named_as_offline() -> None:
    rows = [
        {"sex": "f", "b": 1},
        {"sex": "m", "b": 2},
        {"sex": None, "b": None},
        {"sex": "?", "b": 1},
    ]
    for _ in range(2):
        batch = deciding_reader().read([rows])
        assert batch.groups == ["f × < 2", "m × ≥ 2", "(missing) × (missing)", "? × < 2"]
        assert batch.readings[0].findings == []


def test_levels_that_no_contract_names_are_the_policys() -> None:
    fields = deciding_reader().fields
    assert list(fields) == ["b", "a", "sex"]
    assert (fields["sex"].categories, fields["sex"].open) == (("f", "m"), True)
    assert fields["sex"].schema["x-known-values"] == ["f", "m"]
    assert [field.use for field in fields.values()] == ["both", "probability", "decision"]
    assert fields["b"].kind == "integer"
    assert fields["a"].use == "probability"


def test_what_decides_must_be_named_with_every_row() -> None:
    (reading,) = deciding_reader().read([[{"sex": "f"}, {"b": 1, "a": "x"}]]).readings
    assert [(one["row"], one["field"]) for one in reading.findings] == [(0, "b"), (1, "sex")]
    assert "null where it is not known" in reading.findings[1]["hint"]


def test_a_missing_value_is_refused_once_where_the_contract_does_so() -> None:
    needed = expectation("expect_column_values_to_not_be_null", column="sex")
    reader = deciding_reader(needed)
    absent, null = reader.read([[{"b": 1}], [{"b": 1, "sex": None}]]).readings
    assert [one["field"] for one in absent.findings] == ["sex"]
    assert "null where" not in absent.findings[0]["hint"]
    assert [one["field"] for one in null.findings] == ["sex"]


def test_sensitive_values_are_not_repeated() -> None:
    entry = expectation("expect_column_values_to_be_in_set", column="sex", value_set=["f", "m"])
    pair = expectation(
        "expect_column_pair_values_to_be_in_set",
        column_A="a",
        column_B="sex",
        value_pairs_set=[["x", "f"]],
    )
    (reading,) = deciding_reader(entry, pair).read([[{"b": 1, "a": "x", "sex": "q"}]]).readings
    assert [one["found"] for one in reading.findings] == ["another value", "['x', 'another value']"]
