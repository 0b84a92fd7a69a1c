"""What `package` reads besides the model, for the project `people`: contract, rules, card."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.paths import folder_name

ROOT = Path(__file__).parents[1]
FIELDS = {
    "age": {"title": "Age", "unit": "years", "example": 39},
    "job": {"example": "nurse"},
}


def expectation(kind: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    note = f"Why {kind} is there."
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {"notes": note}}


CONTRACT = {
    "delivered": {
        "name": "delivered",
        "expectations": [expectation("expect_table_row_count_to_be_between", min_value=1)],
    },
    "prepared": {
        "name": "prepared",
        "expectations": [
            expectation("expect_table_row_count_to_be_between", min_value=1),
            expectation(
                "expect_column_values_to_be_between", column="age", min_value=16, max_value=90
            ),
            expectation("expect_column_values_to_not_be_null", column="hours"),
            expectation(
                "expect_column_values_to_be_between", column="hours", min_value=0, max_value=100
            ),
            expectation(
                "expect_column_values_to_not_be_in_set",
                column="hours",
                value_set=[99.5],
                mostly=0.9,
            ),
            expectation(
                "expect_column_values_to_be_in_set",
                "warning",
                column="job",
                value_set=["clerk", "farmer", "nurse", "smith"],
            ),
            expectation("expect_column_values_to_match_regex", column="job", regex="^[a-z]+$"),
            expectation(
                "expect_column_value_lengths_to_be_between", column="job", min_value=3, max_value=20
            ),
            expectation("expect_column_values_to_be_in_set", column="sex", value_set=["female"]),
            expectation(
                "expect_column_values_to_be_in_set", column="income", value_set=["high", "low"]
            ),
            expectation(
                "expect_column_mean_to_be_between", column="age", min_value=1, max_value=90
            ),
        ],
    },
}
RULES = [
    {"name": "blanks", "rule": "strip_whitespace", "columns": []},
    {"name": "unknown", "rule": "missing_codes", "columns": ["job"], "codes": ["?"]},
    {"name": "numbers", "rule": "cast", "columns": {"age": "float"}, "on_failure": "refuse"},
    {
        "name": "of a week",
        "rule": "outside_range",
        "column": "hours",
        "min": None,
        "max": 168.0,
        "action": "drop_row",
    },
    {"name": "twice", "rule": "drop_duplicates", "columns": []},
]
DELIVERED = {
    "age": "String",
    "hours": "Float64",
    "job": "String",
    "sex": "String",
    "region": "String",
    "note": "String",
    "income": "String",
}


def write_inputs(root: Path) -> Path:
    """Write them into the finished project at `root`; return the project's folder."""
    home = root / "data" / "people"
    shutil.copy(ROOT / "requirements.lock", root / "requirements.lock")
    contents: dict[str, Any] = {
        "contract.json": CONTRACT,
        f"{folder_name('clean')}/rules.json": RULES,
        f"{folder_name('ingest')}/profile.json": {
            "columns": [{"name": name, "dtype": dtype} for name, dtype in DELIVERED.items()]
        },
    }
    for name, content in contents.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(json.dumps(content), encoding="utf-8")
    (home / folder_name("report")).mkdir(exist_ok=True)
    (home / folder_name("report") / "report.html").write_text("<title>The card</title>")
    return home


def as_delivered(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Clean rows as the source delivers them, with its warts."""
    delivered = []
    for number, row in enumerate(rows.select("age", "hours", "job").iter_rows(named=True)):
        age = None if row["age"] is None else f" {row['age']:g}"
        job = f"{row['job']} " if row["job"] else ("?", " ? ", None, "")[number % 4]
        delivered.append({"age": age, "hours": row["hours"], "job": job})
    return delivered
