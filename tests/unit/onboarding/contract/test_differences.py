"""What a delivery would break: each cause alone, three together, none; one line for each."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.core.cleaning.rules import Cleaning
from pipeline.core.settings.columns import Columns
from pipeline.onboarding.contract.inference import inferred
from pipeline.tabular.data import cleaning
from pipeline.validate.contract_causes import Comparison, compare

COLUMNS = Columns(
    target="paid",
    positive="yes",
    numeric=("age", "amount"),
    categorical=("job", "town", "region"),
    sensitive=("sex",),
    identifier="customer",
    drop={"note": "free text"},
)
RULES = Cleaning.model_validate(
    {
        "rules": (
            {"name": "blanks", "rule": "strip_whitespace"},
            {"name": "unknown", "rule": "missing_codes", "columns": ("job",), "codes": ("?",)},
            {"name": "numbers", "rule": "cast", "columns": {"age": "integer", "amount": "float"}},
        )
    }
).rules
NUM_ROWS = 1000


def loans() -> pl.DataFrame:
    """1,000 rows as a csv delivers them; every tenth job is unknown."""
    rng = np.random.default_rng(0)
    town = np.arange(NUM_ROWS) % 4
    return pl.DataFrame(
        {
            "customer": [f"C{number:05}" for number in range(NUM_ROWS)],
            "age": [str(20 + number % 41) for number in range(NUM_ROWS)],  # a quarter up to 30
            "amount": [f"{number / 10:.1f}" for number in rng.integers(10, 991, NUM_ROWS)],
            "job": [["clerk", "smith", "nurse"][number % 3] for number in range(NUM_ROWS)],
            "town": [f" town {number}" for number in town],
            "region": [["north", "south"][number % 2] for number in town],
            "sex": rng.choice(["f", "m"], NUM_ROWS),
            "note": ["-"] * NUM_ROWS,
            "paid": rng.choice(["yes", "no"], NUM_ROWS, p=[0.4, 0.6]),
        }
    ).with_columns(job=pl.when(pl.int_range(pl.len()) % 10 == 7).then(pl.lit("?")).otherwise("job"))


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    prepared, _ = cleaning.apply(loans(), RULES)
    return inferred(loans(), prepared, COLUMNS, "loans")


def compared(table: pl.DataFrame, contract: dict[str, Any]) -> Comparison:
    return compare(table, contract, COLUMNS, RULES, "tabular", "loans")


def some(table: pl.DataFrame, column: str, value: str | None, every: int = 50) -> pl.DataFrame:
    """Another value in the rows 0, 50, 100, …: 20 of 1,000 rows, 2 %."""
    chosen = pl.int_range(pl.len()) % every == 0
    return table.with_columns(pl.when(chosen).then(pl.lit(value)).otherwise(column).alias(column))


def older(table: pl.DataFrame) -> pl.DataFrame:
    """Everybody 100 years older: from 120 to 160."""
    return table.with_columns((pl.col("age").cast(pl.Int64) + 100).cast(pl.String))


CHANGES: dict[str, tuple[Any, list[tuple[str, str, str]]]] = {
    "nothing": (lambda t: t, []),
    "other rows in another order": (lambda t: t.reverse().head(900), []),
    "a renamed column": (
        lambda t: t.rename({"age": "years"}),
        [
            (
                "critical",
                "renamed_column",
                "column 'age' is now called 'years': its values look alike",
            )
        ],
    ),
    "a renamed column, elsewhere": (
        lambda t: t.rename({"town": "place"}).select(sorted({*t.columns, "place"} - {"town"})),
        [
            (
                "critical",
                "renamed_column",
                "column 'town' is now called 'place': its values look alike",
            )
        ],
    ),
    "a missing column": (
        lambda t: t.drop("age"),
        [("critical", "missing_column", "column 'age' is missing")],
    ),
    "a new column": (
        lambda t: t.with_columns(colour=pl.lit("red")),
        [
            (
                "critical",
                "new_column",
                "column 'colour' is new (text): nobody has given it a role",
            )
        ],
    ),
    "one gone and another one new": (
        lambda t: t.drop("age").with_columns(colour=pl.lit("red")),
        [
            ("critical", "missing_column", "column 'age' is missing"),
            (
                "critical",
                "new_column",
                "column 'colour' is new (text): nobody has given it a role",
            ),
        ],
    ),
    "a new level": (
        lambda t: some(t, "job", "pilot"),
        [("critical", "levels", "job: 1 new level in 20 of 1,000 rows (2%): 'pilot' (20)")],
    ),
    "a new level, which breaks a relation as well": (
        lambda t: some(t, "town", "town 9"),
        [("critical", "levels", "town: 1 new level in 20 of 1,000 rows (2%): 'town 9' (20)")],
    ),
    "a new level of a sensitive column": (
        lambda t: some(t, "sex", "hidden"),
        [
            (
                "critical",
                "levels",
                "sex: 1 new level in 20 of 1,000 rows (2%) "
                "(not shown: the column is sensitive or names people)",
            )
        ],
    ),
    "a shifted range": (
        older,
        [
            (
                "critical",
                "range",
                "age: 1,000 of 1,000 rows (100%) outside 10 to 70; now 120 to 160, half of it "
                "130 to 150, median 140",
            )
        ],
    ),
    "a shift within the limits": (
        lambda t: t.with_columns(
            pl.when(pl.col("age") < "50").then(pl.lit("55")).otherwise("age").alias("age")
        ),
        [
            (
                "critical",
                "range",
                "age: within its limits, but shifted; now 50 to 60, half of it 55 to 55, median 55",
            )
        ],
    ),
    "gaps where none were": (
        lambda t: some(t, "age", None),
        [("critical", "missing_values", "age: missing in 20 of 1,000 rows (2%), none may be")],
    ),
    "more gaps": (
        lambda t: some(t, "job", "?", every=4),
        [
            (
                "warning",
                "missing_values",
                "job: missing in 350 of 1,000 rows (35%), at most 17% may be",
            )
        ],
    ),
    "another way of writing numbers": (
        lambda t: t.with_columns(pl.col("amount").str.replace(".", ",", literal=True)),
        [
            (
                "critical",
                "format",
                "amount: 1,000 of 1,000 rows (100%) are written in another form and cannot be read "
                "as numbers",
            )
        ],
    ),
    "fewer rows": (
        lambda t: t.head(400),
        [("critical", "rows", "400 rows, expected at least 500 rows")],
    ),
    "a row delivered twice": (
        lambda t: pl.concat([t, t.head(30)]),
        [
            (
                "critical",
                "duplicates",
                "customer: 30 of 1,030 rows (2.91%) repeat the value of another",
            )
        ],
    ),
    "a relation that no longer holds": (
        lambda t: some(t, "region", "south"),
        [
            (
                "warning",
                "relation",
                # the rows 0, 50, 100, … are of the towns 0 and 2, which lie in the north
                "town and region: no longer so in 20 of 1,000 rows (2%): region followed from town "
                "in every row; another pair is a new coding or an error",
            )
        ],
    ),
    "a label turned round": (
        lambda t: t.with_columns(pl.lit("yes").alias("paid")).pipe(some, "paid", "no", every=10),
        [("critical", "share", "paid: 'yes' is now 90% of the rows")],
    ),
    "a renamed column, a new level and a shifted range": (
        lambda t: older(some(t, "job", "pilot")).rename({"town": "place"}),
        [
            (
                "critical",
                "renamed_column",
                "column 'town' is now called 'place': its values look alike",
            ),
            (
                "critical",
                "range",
                "age: 1,000 of 1,000 rows (100%) outside 10 to 70; now 120 to 160, half of it "
                "130 to 150, median 140",
            ),
            ("critical", "levels", "job: 1 new level in 20 of 1,000 rows (2%): 'pilot' (20)"),
        ],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_cause_is_told_once(change: str, contract: dict[str, Any]) -> None:
    changed, expected = CHANGES[change]
    found = compared(changed(loans()), contract)
    assert [(one.severity, one.kind, one.sentence) for one in found.causes] == expected
    assert found.is_breach is any(severity == "critical" for severity, _, _ in expected)


def test_no_expectation_that_failed_is_left_without_a_cause(contract: dict[str, Any]) -> None:
    for changed, _ in CHANGES.values():
        found = compared(changed(loans()), contract)
        told = {(one.part, one.number) for cause in found.causes for one in cause.broken}
        failed = {
            (part, number)
            for part, report in found.reports.items()
            for number, line in enumerate(report["expectations"])
            if not line["success"]
        }
        assert told == failed


def test_a_delivery_of_another_type_is_one_cause(contract: dict[str, Any]) -> None:
    typed = loans().with_columns(pl.col("age").cast(pl.Int64), pl.col("amount").cast(pl.Float64))
    prepared, _ = cleaning.apply(typed, RULES)
    own = inferred(typed, prepared, COLUMNS, "loans")
    bare = tuple(rule for rule in RULES if rule.rule != "cast")
    as_text = typed.with_columns(age=pl.lit("many"))
    found = compare(as_text, own, COLUMNS, bare, "tabular", "loans")
    assert [(one.kind, one.sentence) for one in found.causes] == [
        ("format", "age: now of the type String, which the contract does not expect")
    ]
