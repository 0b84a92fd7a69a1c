"""What `propose` decides about each column, by tables that are made here; Adult-like text first."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from pipeline.core.cleaning.rules import Rule
from pipeline.core.errors import ProjectError
from pipeline.onboarding.columns.proposal import Proposal, ProposedColumn
from pipeline.onboarding.table import propose
from pipeline.tabular.data import cleaning

ROWS = 400
RNG = np.random.default_rng(5)
TARGET = pl.Series("outcome", RNG.choice(["no", "yes"], ROWS, p=[0.7, 0.3]))


def table(**columns: Any) -> pl.DataFrame:
    """A table with these columns, repeated to its length, and a target that nothing explains."""
    long = {
        name: list(values) * (ROWS // len(list(values)) + 1) for name, values in columns.items()
    }
    return pl.DataFrame({name: values[:ROWS] for name, values in long.items()}).with_columns(TARGET)


def of(proposal: Proposal, name: str) -> ProposedColumn:
    return next(column for column in proposal.columns if column.name == name)


def proposed(values: Any, name: str = "x") -> ProposedColumn:
    return of(propose(table(**{name: values}), "outcome"), name)


def cleaned(found: pl.DataFrame, proposal: Proposal) -> pl.DataFrame:
    rules = TypeAdapter(tuple[Rule, ...]).validate_python(proposal.rules)
    return cleaning.apply(found, rules)[0]


@pytest.fixture(scope="module")
def adult_like() -> pl.DataFrame:
    """Text with a blank after each comma, ? for unknown, and labels with and without a dot."""
    rows = 600
    rng = np.random.default_rng(3)
    return pl.DataFrame(
        {
            "age": [str(age) for age in rng.integers(17, 80, rows)],
            "workclass": [f" {w}" for w in rng.choice(["Private", "State-gov", "?"], rows)],
            "fnlwgt": [f" {w}" for w in rng.integers(20_000, 400_000, rows)],
            "hours-per-week": [f" {h}" for h in rng.integers(1, 99, rows)],
            "sex": [f" {s}" for s in rng.choice(["Male", "Female"], rows)],
            "income": [f" {i}" for i in rng.choice(["<=50K", ">50K", "<=50K.", ">50K."], rows)],
        }
    )


def test_adult_like_text_is_read_and_cleaned(adult_like: pl.DataFrame) -> None:
    proposal = propose(adult_like, "income", positive=">50K", sensitive=("sex",))
    roles = {column.name: column.role for column in proposal.columns}
    assert roles == {
        "age": "numeric",
        "workclass": "categorical",
        "fnlwgt": "weight",
        "hours-per-week": "numeric",
        "sex": "sensitive",
        "income": "target",
    }
    assert (proposal.task, proposal.positive) == ("binary", ">50K")
    kinds = [rule["rule"] for rule in proposal.rules]
    assert kinds == ["strip_whitespace", "missing_codes", "replace", "cast"]
    assert proposal.rules[1]["columns"] == ["workclass"]
    clean = cleaned(adult_like, proposal)
    assert clean["income"].unique().sort().to_list() == ["<=50K", ">50K"]
    assert clean["workclass"].unique().sort().to_list() == [None, "Private", "State-gov"]
    assert clean["age"].dtype == pl.Int64
    assert of(proposal, "workclass").missing == "level"
    assert of(proposal, "age").missing is None


def test_a_target_that_is_absent_is_told_the_nearest_name() -> None:
    with pytest.raises(ProjectError) as error:
        propose(table(x=["1", "2"]), "outcom")
    assert "--target outcom: expected a column of the file" in str(error.value)
    assert "did you mean `outcome`?" in error.value.hint


def decided(values: list[Any], name: str = "y", **given: Any) -> Proposal:
    rows = len(values)
    found = pl.DataFrame({"x": [str(i % 7) for i in range(rows)], name: values})
    return propose(found, name, **given)


@pytest.mark.parametrize(
    ("values", "task", "positive"),
    [
        (["yes"] * 90 + ["no"] * 60, "binary", "yes"),
        (["good"] * 90 + ["bad"] * 60, "binary", "bad"),
        (["1"] * 90 + ["0"] * 60, "binary", "1"),
        (["1.0"] * 90 + ["0.0"] * 60, "binary", "1"),
        (["1"] * 90 + ["2"] * 60, "binary", "1"),
        (["<=50K"] * 60 + [">50K"] * 90, "binary", ">50K"),
        (["a"] * 50 + ["b"] * 50 + ["c"] * 50, "multiclass", ""),
        (["1"] * 50 + ["2"] * 50 + ["3"] * 50, "multiclass", ""),
        (["3"] * 5 + ["4"] * 45 + ["5"] * 50 + ["6"] * 50, "regression", ""),
        ([str(i) for i in range(75)] * 2, "regression", ""),
        ([f"{i / 7:.3f}" for i in range(150)], "regression", ""),
        ([True] * 90 + [False] * 60, "binary", "true"),
        ([1.0] * 90 + [0.0] * 60, "binary", "1"),
    ],
)
def test_the_task_and_the_positive_value(values: list[Any], task: str, positive: str) -> None:
    proposal = decided(values)
    assert (proposal.task, proposal.positive) == (task, positive)
    target = pl.DataFrame({"x": [str(i % 7) for i in range(150)], "y": values})
    clean = cleaned(target, proposal)["y"].cast(pl.String)
    assert not positive or positive in clean.unique()


def test_a_number_whose_name_counts_is_a_number() -> None:
    values = ["0"] * 80 + ["1"] * 40 + ["2"] * 30
    assert decided(values, "num_claims").task == "regression"
    assert decided(values, "segment").task == "multiclass"


def test_a_given_positive_value_makes_two_classes_of_several() -> None:
    proposal = decided(["a"] * 50 + ["b"] * 50 + ["c"] * 50, positive="B")
    assert (proposal.task, proposal.positive) == ("binary", "b")
    assert "the other 2 values count as not" in of(proposal, "y").reason


def test_rows_without_a_target_are_dropped_by_a_rule() -> None:
    values = ["yes"] * 90 + ["no"] * 60 + ["", "NA"]
    proposal = decided(values)
    assert proposal.rules[-1]["rule"] == "drop_missing"
    found = pl.DataFrame({"x": [str(i % 7) for i in range(152)], "y": values})
    assert cleaned(found, proposal).height == 150


@pytest.mark.parametrize(
    ("values", "given", "words"),
    [
        (["", "NA", "?"] * 50, {}, "--target y: expected values to learn from, found none in 150"),
        (["1"] * 150, {}, "--target y: expected at least two different values, found one"),
        ([str(i) for i in range(150)], {}, "found a value of its own in each of 150 rows"),
        ([f"c{i}" for i in range(150)], {}, "found a value of its own in each of 150 rows"),
        ([f"c{i % 60}" for i in range(150)], {}, "at most 20 classes, found 60 different texts"),
        (["a", "b"] * 30, {}, "--target y: expected at least 100 rows with a value, found 60"),
        (["a"] * 145 + ["b"] * 5, {}, "at least 20 rows of each class, found 5 of 150 rows"),
        (["a"] * 90 + ["b"] * 55 + ["c"] * 5, {}, "found fewer of 1 of 3\n  - 'c': 5 rows"),
        (["2024-01-31", "2024-02-28", "2024-03-31"] * 50, {}, "classes or numbers, found dates"),
        (
            ["a", "b", "c"] * 50,
            {"positive": "yes"},
            "--positive yes: expected a value of the target 'y', which has 'a', 'b', 'c'",
        ),
        (["a", "b", "c"] * 50, {"sensitive": ("z",)}, "--sensitive z: expected a column of the"),
        (["a", "b", "c"] * 50, {"sensitive": ("y",)}, "--sensitive y: expected another column"),
        (["a", "b", "c"] * 50, {"sensitive": ("x", "x")}, "--sensitive x: expected each column"),
    ],
)
def test_a_target_that_nothing_can_be_learnt_from_is_refused(
    values: list[str], given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProjectError) as error:
        decided(values, **given)
    assert words in str(error.value)
    assert error.value.hint


def test_a_sensitive_column_without_groups_is_refused() -> None:
    found = table(x=["1"], day=["2024-01-31", "2024-02-28", "2024-03-31"])
    with pytest.raises(ProjectError, match="--sensitive x: expected at least two groups, found 1"):
        propose(found, "outcome", sensitive=("x",))
    with pytest.raises(ProjectError, match="--sensitive day: expected groups, found dates"):
        propose(found, "outcome", sensitive=("day",))


def test_a_sensitive_number_is_cut_at_round_numbers_and_codes_are_not() -> None:
    rng = np.random.default_rng(1)
    ages = [str(age) for age in np.clip(rng.normal(42, 14, ROWS), 18, 90).astype(int)]
    proposal = propose(table(age=ages, sex=["1", "2"]), "outcome", sensitive=("age", "sex"))
    age = of(proposal, "age")
    assert age.role == of(proposal, "sex").role == "sensitive"
    assert age.edges == (30, 40, 50)
    assert of(proposal, "sex").edges == ()
    assert proposal.named("numeric") == []
    assert proposal.rules[0]["columns"] == {"age": "integer"}
