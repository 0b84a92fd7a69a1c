"""A contract inferred from a table: it holds of that table, and each rule keeps what it says."""

import json
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.contract.contract import contract_text, load_contract
from pipeline.core.settings.columns import Columns
from pipeline.onboarding.contract.inference import inferred
from pipeline.onboarding.contract.inferred_columns import limits, prepared_values
from pipeline.onboarding.contract.inferred_forms import delivered_form
from pipeline.validate.expectations import check
from tests.conftest import ROOT

COLUMNS = Columns(
    target="paid",
    positive="yes",
    numeric=("age", "amount", "share", "part"),
    categorical=("job", "town", "region", "flag"),
    dates=("since",),
    sensitive=("sex",),
    identifier="customer",
    weight="weight",
    drop={"note": "free text"},
)
DAYS = pl.date_range(date(2015, 1, 1), date(2020, 1, 1), eager=True)


def loans(num_rows: int = 2000, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows as a csv delivers them, and after cleaning."""
    rng = np.random.default_rng(seed)
    amount = np.round(np.exp(rng.normal(8, 1, num_rows)), 2)
    town = rng.integers(0, 8, num_rows)
    prepared = pl.DataFrame(
        {
            "customer": [f"C{number:05}" for number in range(num_rows)],
            "age": rng.integers(18, 80, num_rows),
            "amount": amount,
            "part": np.round(amount * rng.random(num_rows), 2),
            "share": rng.random(num_rows).round(4),
            "job": rng.choice(["clerk", "smith", "nurse"], num_rows),
            "town": [f"town {number}" for number in town],
            "region": [["north", "south"][number % 2] for number in town],
            "flag": rng.random(num_rows) < 0.3,
            "since": DAYS.sample(num_rows, with_replacement=True, seed=seed),
            "sex": rng.choice(["f", "m"], num_rows),
            "weight": rng.random(num_rows) + 0.5,
            "note": ["-"] * num_rows,
            "paid": rng.choice(["yes", "no"], num_rows, p=[0.3, 0.7]),
        }
    ).with_columns(job=pl.when(pl.Series(rng.random(num_rows) < 0.1)).then(None).otherwise("job"))
    delivered = prepared.with_columns(
        pl.col("job").fill_null("?"), pl.col("flag").replace_strict({True: "Y", False: "N"})
    ).cast(pl.String)
    return delivered, prepared


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return inferred(*loans(), COLUMNS, "loans")


def of(contract: dict[str, Any], part: str, column: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """The expectations of one column: severity and arguments by type; the first of two."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for entry in contract[part]["expectations"]:
        kwargs = dict(entry["kwargs"])
        if kwargs.pop("column", None) == column:
            kind = entry["type"].removeprefix("expect_column_values_to_")
            found.setdefault(kind, (entry["severity"], kwargs))
    return found


def broken(contract: dict[str, Any], *tables: pl.DataFrame) -> list[tuple[str, str]]:
    """What fails of both parts: severity and type."""
    return [
        (line["severity"], line["expectation"])
        for part, table in zip(("delivered", "prepared"), tables, strict=True)
        for line in check(table, contract, part)["expectations"]
        if not line["success"]
    ]


def test_the_table_meets_its_own_contract(contract: dict[str, Any], tmp_path: Any) -> None:
    assert broken(contract, *loans()) == []
    (tmp_path / "contract.json").write_text(contract_text(contract))
    assert load_contract(tmp_path / "contract.json", "contract.json") == contract


def test_the_same_table_gives_the_same_contract(contract: dict[str, Any]) -> None:
    assert contract_text(inferred(*loans(), COLUMNS, "loans")) == contract_text(contract)


@pytest.mark.parametrize("seed", range(4))
def test_half_the_rows_drawn_anew_break_nothing_critical(
    contract: dict[str, Any], seed: int
) -> None:
    # the rows of a bootstrap come twice: their identifier is made anew
    rows = np.random.default_rng(seed).integers(0, 2000, 1000)
    halves = [
        table[rows].with_columns(customer=pl.Series([f"C{number:05}" for number in range(1000)]))
        for table in loans()
    ]
    assert [one for one in broken(contract, *halves) if one[0] == "critical"] == []


def test_other_rows_of_the_same_kind_break_nothing_critical(contract: dict[str, Any]) -> None:
    found = broken(contract, *loans(num_rows=1500, seed=7))
    assert [one for one in found if one[0] == "critical"] == []


def test_each_kind_of_column_has_its_rules(contract: dict[str, Any]) -> None:
    assert of(contract, "delivered", "age")["match_regex"] == (
        "critical",
        {"regex": "^[+-]?[0-9]+$"},
    )
    assert of(contract, "delivered", "since")["match_regex"] == (
        "critical",
        {"regex": r"^[0-9]+\-[0-9]+\-[0-9]+$"},
    )
    assert of(contract, "delivered", "flag")["be_in_set"] == (
        "critical",
        {"value_set": ["N", "Y"]},
    )
    assert of(contract, "prepared", "customer") == {
        "not_be_null": ("critical", {}),
        "be_unique": ("critical", {}),
    }
    # 18 to 79: the quartiles are some 30 apart, so 15 more (16 above), to tens
    assert of(contract, "prepared", "age")["be_between"] == (
        "critical",
        {"min_value": 0, "max_value": 100},
    )
    assert of(contract, "prepared", "share")["be_between"][1] == {"min_value": 0, "max_value": 1}
    assert of(contract, "prepared", "weight")["be_between"][1]["strict_min"] is True
    assert of(contract, "prepared", "sex")["be_in_set"] == ("critical", {"value_set": ["f", "m"]})
    assert of(contract, "prepared", "flag")["be_in_set"] == (
        "critical",
        {"value_set": [False, True]},
    )
    assert of(contract, "prepared", "note") == {"not_be_null": ("warning", {})}
    assert of(contract, "prepared", "paid")["not_be_null"][0] == "critical"


def test_relations_that_hold_by_chance_are_not_named(contract: dict[str, Any]) -> None:
    pairs = [
        (entry["type"], entry["kwargs"]["column_A"], entry["kwargs"]["column_B"])
        for entry in contract["prepared"]["expectations"]
        if "column_A" in entry["kwargs"]
    ]
    assert pairs == [
        ("expect_column_pair_values_to_be_in_set", "town", "region"),
        ("expect_column_pair_values_a_to_be_greater_than_b", "amount", "part"),
    ]


def test_each_expectation_says_why_and_what_was_seen(contract: dict[str, Any]) -> None:
    for part in ("delivered", "prepared"):
        for entry in contract[part]["expectations"]:
            assert entry["meta"]["notes"].endswith((".", "!"))
            assert entry["meta"]["evidence"]
    assert "C00001" not in json.dumps(contract)


@pytest.mark.parametrize(
    ("quartiles", "whole", "num_distinct", "expected"),
    [
        # Adult's age: 17, 28, 37, 48, 90: the middle half spans 20, the way up is 53
        ([17, 28, 37, 48, 90], True, 74, (0, 110)),  # 17 - 10 = 7 and 90 + 13.25, to tens
        ([0, 0, 0, 1, 1], True, 2, (0, 1)),  # a flag
        ([-5.0, -1.0, 0.0, 1.0, 5.0], False, 900, (-7, 7)),  # 5 + max(1, 5 / 4), to ones
        ([0.0, 0.2, 0.5, 0.7, 0.98], False, 900, (0, 1)),  # a share
        ([0.0, 20.0, 50.0, 70.0, 100.0], False, 900, (0, 100)),  # of a hundred
        ([0.001, 0.002, 0.002, 0.003, 0.009], False, 900, (0.0005, 0.011)),  # + 0.00175
        ([7.0, 7.0, 7.0, 7.0, 7.0], False, 1, (6.3, 7.7)),  # a constant: a tenth of it
        ([-90, -40, -30, -20, 0], True, 90, (-110, 0)),  # never positive
        ([-1.7e308, -9e307, 0.0, 9e307, 1.7e308], False, 900, (-1.7e308, 1.7e308)),  # no room
    ],
)
def test_limits_have_slack_and_are_round(
    quartiles: list[float], whole: bool, num_distinct: int, expected: tuple[float, float]
) -> None:
    assert limits(quartiles, whole, num_distinct) == pytest.approx(expected)


def entries(values: pl.Series, role: Any) -> list[tuple[str, str, float]]:
    return [
        (
            entry["type"].removeprefix("expect_column_values_to_"),
            entry["severity"],
            entry["kwargs"].get("mostly", 1),
        )
        for entry in prepared_values(values, role)
    ]


def test_a_list_with_rare_levels_is_open_and_one_without_is_closed() -> None:
    closed = pl.Series("a", ["x"] * 50 + ["y"] * 5)
    opened = pl.Series("a", ["x"] * 50 + ["y"] * 4)
    assert ("be_in_set", "critical", 1) in entries(closed, "levels")
    assert entries(opened, "levels")[1:] == [
        ("be_in_set", "warning", 1),
        ("be_in_set", "critical", 0.95),
    ]
    assert ("be_in_set", "critical", 1) in entries(opened, "sensitive")
    many = pl.Series("a", [f"x{number}" for number in range(51)] * 9)
    assert entries(many, "levels") == [("not_be_null", "critical", 1)]


def test_gaps_may_grow_by_what_chance_explains() -> None:
    # 100 of 1,000: Wilson's upper bound at 99.9 % is 0.1357; a quarter more is 0.1696
    gaps = pl.Series("a", [None] * 100 + ["x"] * 900)
    assert entries(gaps, "levels")[:2] == [
        ("not_be_null", "warning", 0.83),
        ("not_be_null", "critical", 0.45),
    ]
    assert entries(gaps, "drop") == [("not_be_null", "warning", 0.83)]
    assert entries(pl.Series("a", [None] * 5, dtype=pl.Int64), "number") == []


@pytest.mark.parametrize(
    ("texts", "prepared", "regex"),
    [
        ([" 1", "22"], pl.Int64, r"^\s*(?:[+-]?[0-9]+)\s*$"),
        (["1\t", "\u00a022"], pl.Int64, r"^\s*(?:[+-]?[0-9]+)\s*$"),
        (["1", "?", "n.a."], pl.Int64, r"^(?:[+-]?[0-9]+|\?|n\.a\.)$"),
        (["1.5", "2"], pl.Float64, None),
        (["03/12/2020", "1/2/2021"], pl.Date, "^[0-9]+/[0-9]+/[0-9]+$"),
    ],
)
def test_the_form_of_text(texts: list[str], prepared: Any, regex: str | None) -> None:
    values = pl.Series("a", [1] * len(texts)).cast(pl.Int32).cast(prepared)
    [found] = delivered_form(pl.Series("a", texts), values, "number")
    if regex is not None:
        assert found["kwargs"]["regex"] == regex
    assert broken(
        {"delivered": {"expectations": [found]}, "prepared": {"expectations": []}},
        pl.DataFrame({"a": [*texts, "12 o'clock"]}),
        pl.DataFrame({"a": texts}),
    ) == [("critical", "expect_column_values_to_match_regex")]


def test_the_written_form_is_that_of_the_repository() -> None:
    source = ROOT / "data" / "adult" / "contract.json"
    assert contract_text(load_contract(source, "contract.json")) == source.read_text()
