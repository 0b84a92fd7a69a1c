"""A snapshot that is read slice by slice becomes the same table, with the same ledger."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from pipeline.core.cleaning.rules import Rule
from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.tabular.data.cleaning import cleaned, cleaned_scan

COLUMNS = Columns(
    target="label",
    positive="1",
    numeric=("size", "rate"),
    categorical=("kind",),
    missing={"rate": "drop_row"},
)
RULES = TypeAdapter(tuple[Rule, ...]).validate_python(
    (
        {"name": "blanks", "rule": "strip_whitespace"},
        {"name": "codes", "rule": "missing_codes", "codes": ["?", "NA"]},
        {"name": "numbers", "rule": "cast", "columns": {"size": "integer"}},
        {"name": "impossible", "rule": "outside_range", "column": "size", "max": 90},
        {"name": "no label", "rule": "drop_missing", "columns": ["label"]},
        {"name": "twice", "rule": "drop_duplicates", "columns": ["size", "kind"]},
        {"name": "names", "rule": "replace", "column": "kind", "mapping": {"a": "A"}},
    )
)


def snapshot(num_rows: int = 250) -> pl.DataFrame:
    """In its last rows alone: a nan, and a change in the first column."""
    rng = np.random.default_rng(3)
    rate = rng.random(num_rows)
    rate[-1] = np.nan
    kind = rng.choice(["a", "b ", "?", "c"], num_rows)
    size = rng.integers(10, 99, num_rows).astype(str)
    size[-2] = " NA"
    return pl.DataFrame(
        {
            "size": size,
            "rate": rate,
            "kind": kind,
            "label": rng.choice(["0", "1", "NA"], num_rows, p=[0.5, 0.4, 0.1]),
        }
    )


@pytest.mark.parametrize("at_once", [1, 7, 100, 250, 1000])
def test_slices_give_what_the_whole_gives(tmp_path: Path, at_once: int) -> None:
    snapshot().write_parquet(tmp_path / "snapshot.parquet")
    table, ledger = cleaned(snapshot(), RULES, COLUMNS)
    scanned = pl.scan_parquet(tmp_path / "snapshot.parquet")
    found, its_ledger = cleaned_scan(scanned, RULES, COLUMNS, at_once)
    assert found.equals(table)
    assert found.schema == table.schema
    assert its_ledger == ledger
    assert [list(one["cells"]) for one in its_ledger] == [list(one["cells"]) for one in ledger]
    assert {one["name"] for one in ledger} > {"twice", "rows without rate"}


def test_a_refusal_counts_the_rows_of_all_slices() -> None:
    rules = RULES[:1] + RULES[2:]  # NA and ? stay
    with pytest.raises(ProjectError) as whole:
        cleaned(snapshot(), rules, COLUMNS)
    with pytest.raises(ProjectError) as sliced:
        cleaned_scan(snapshot().lazy(), rules, COLUMNS, 50)
    assert str(sliced.value) == str(whole.value)
    assert "size: 1 of 250 values" in str(whole.value)


def test_no_rows_have_the_types_that_rows_have() -> None:
    empty, _ = cleaned_scan(snapshot().head(0).lazy(), RULES, COLUMNS)
    assert empty.schema == cleaned(snapshot(), RULES, COLUMNS)[0].schema
