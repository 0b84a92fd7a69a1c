"""Text is read as numbers, dates and booleans as it is written, and as nothing else."""

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.core.cleaning.rules import Rule, for_requests
from pipeline.core.dataset.casting import FALSE, TRUE, read_as
from pipeline.core.errors import ProjectError
from pipeline.tabular.data.cleaning import apply

RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])


def rule(**keys: Any) -> tuple[Rule, ...]:
    return RULES.validate_python(({"name": "read", "rule": "cast", **keys},))


def read(kind: str, *values: Any, how: str | None = None, decimal: str | None = None) -> list[Any]:
    return read_as(kind, pl.Series("a", list(values)), how, decimal).to_list()


def test_numbers_are_plain_unless_the_rule_says_how_they_are_written() -> None:
    assert read("float", "1.5", " 2 ", "1,5", "1,234", "nan", "inf", "1e400", None) == [
        *(1.5, 2.0, None, None, None, None, None, None)
    ]
    assert read("integer", "3", "3.0", "1e3", "3.5", "9007199254740993", "9" * 30) == [
        *(3, 3, 1000, None, 9007199254740993, None)
    ]


def test_thousands_are_read_in_the_writing_that_the_rule_names() -> None:
    german = ["1.234,56", "1234,5", "-1.234.567", "1 234,5", "1'234", ",5", "1e5"]
    assert read("float", *german, decimal=",") == [
        *(1234.56, 1234.5, -1234567.0, 1234.5, 1234.0, 0.5, 100000.0)
    ]
    assert read("integer", "1,234", "12,345.0", decimal=".") == [1234, 12345]


def test_what_is_written_otherwise_is_no_number() -> None:
    assert read("float", "1.5", "12.34,5", "1.234.5", ",", "", "1,2,3", decimal=",") == [None] * 6
    assert read("integer", "1,23", "1.234,5", decimal=".") == [None, None]


def test_booleans_in_five_languages_any_case_and_with_blanks() -> None:
    assert read("boolean", *(f" {word.upper()}\t" for word in TRUE)) == [True] * len(TRUE)
    assert read("boolean", *(f" {word.title()}" for word in FALSE)) == [False] * len(FALSE)
    assert read("boolean", "x", "", "maybe", "2", None) == [None] * 5


def test_a_date_is_iso_or_as_its_format_says() -> None:
    assert read("date", "2020-02-29", " 2020-01-02 ", "2020-02-30", "29.02.2020", None) == [
        *(date(2020, 2, 29), date(2020, 1, 2), None, None, None)
    ]
    assert read("date", "31.12.2024", "12.31.2024", "2024-12-31", how="%d.%m.%Y") == [
        *(date(2024, 12, 31), None, None)
    ]
    assert read("date", 20241231, 99, how="%Y%m%d") == [date(2024, 12, 31), None]


def test_a_time_is_iso_in_its_usual_writings_and_utc_where_it_has_an_offset() -> None:
    at = datetime(2020, 2, 29, 1, 2, 3)
    assert read(
        "datetime",
        "2020-02-29T01:02:03",
        "2020-02-29 01:02:03",
        "2020-02-29T01:02:03Z",
        "2020-02-29T03:02:03+02:00",
        "2020-02-29 01:02",
        "2020-02-29",
        "29.02.2020 01:02",
    ) == [at, at, at, at, at.replace(second=0), datetime(2020, 2, 29), None]
    assert read("datetime", "12/31/2024 23:59", how="%m/%d/%Y %H:%M") == [
        datetime(2024, 12, 31, 23, 59)
    ]
    zoned = pl.Series("a", [at]).dt.replace_time_zone("Europe/Berlin")
    assert read_as("datetime", zoned).to_list() == [datetime(2020, 2, 29, 0, 2, 3)]
    assert read_as("date", pl.Series("a", [at])).to_list() == [date(2020, 2, 29)]


def test_a_number_is_no_date_unless_a_format_says_how() -> None:
    with pytest.raises(ProjectError, match="expected text or a date in 'a' to read as date") as no:
        read("date", 20241231)
    assert "%Y%m%d" in no.value.hint
    with pytest.raises(ProjectError, match="expected a format of strptime that gives"):
        read("date", "23", how="%H")


def test_the_rule_counts_what_it_could_not_read_and_hints_at_the_writing() -> None:
    table = pl.DataFrame({"von": ["31.12.2024", "?"], "preis": ["1.000,5", "-"]})
    keys: dict[str, Any] = {
        "columns": {"von": "date", "preis": "float"},
        "formats": {"von": "%d.%m.%Y"},
        "decimal": ",",
    }
    with pytest.raises(ProjectError) as refused:
        apply(table, rule(**keys))
    assert "von: 1 of 2 values are no date" in str(refused.value)
    assert "preis: 1 of 2 values are no float" in str(refused.value)
    assert "`formats`" in refused.value.hint
    clean, [entry] = apply(table, rule(**keys, on_failure="missing"))
    assert clean.rows() == [(date(2024, 12, 31), 1000.5), (None, None)]
    assert entry["cells"] == {"von": 1, "preis": 1}


def test_a_request_is_read_by_the_formats_of_its_own_columns() -> None:
    keys: dict[str, Any] = {"columns": {"von": "date", "bis": "date"}, "decimal": ","}
    [kept] = for_requests(rule(**keys, formats={"von": "%d.%m.%Y", "bis": "%Y"}), ("von",))
    assert kept.model_dump()["formats"] == {"von": "%d.%m.%Y"}
    clean, _ = apply(pl.DataFrame({"von": ["31.12.2024"]}), (kept,))
    assert clean.rows() == [(date(2024, 12, 31),)]


@pytest.mark.parametrize(
    "keys",
    [
        {"columns": {"a": "dates"}},
        {"columns": {"a": "date"}, "formats": {"b": "%Y"}},
        {"columns": {"a": "integer"}, "formats": {"a": "%Y"}},
        {"columns": {"a": "date"}, "formats": {"a": "YYYY"}},
        {"columns": {"a": "float"}, "decimal": ";"},
    ],
)
def test_a_cast_that_says_nothing_sensible_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(**keys)
