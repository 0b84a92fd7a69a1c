"""What `propose` decides about each column, by tables that are made here; Adult-like text first."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from pipeline.core.errors import ProjectError
from pipeline.core.proposal import Proposal, ProposedColumn
from pipeline.core.rules import Rule
from pipeline.tabular import cleaning
from pipeline.tabular.proposal import propose

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
