"""The small project of `tests.data` with a bento: what `ingest`, `clean` and `report` would have
written is put there by hand, so that no heavy stage needs to run for it."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.files import write_json, write_parquet, write_text
from pipeline.core.paths import Paths
from tests.data import HERE, people, set_section

FEATURES = ["age", "hours", "job"]
RULES: list[dict[str, Any]] = [
    {"name": "blanks", "rule": "strip_whitespace", "columns": []},
    {"name": "unknown", "rule": "missing_codes", "columns": ["age", "job"], "codes": ["?"]},
    {"name": "numbers", "rule": "cast", "columns": {"age": "float", "hours": "float"}},
]


def _expectation(kind: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    meta = {"notes": f"The tests need {kind}."}
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity, "meta": meta}


CONTRACT: dict[str, Any] = {
    "delivered": {
        "name": "people, delivered",
        "expectations": [_expectation("table_row_count_to_be_between", min_value=1)],
    },
    "prepared": {
        "name": "people, prepared",
        "expectations": [
            _expectation("table_row_count_to_be_between", min_value=1),
            _expectation("column_values_to_be_between", column="age", min_value=18, max_value=70),
            _expectation("column_values_to_be_between", column="hours", min_value=0),
            _expectation("column_values_to_not_be_null", column="hours"),
            _expectation("column_values_to_not_be_null", column="age", mostly=0.8),
            _expectation(
                "column_values_to_be_in_set",
                column="job",
                value_set=["clerk", "farmer", "nurse", "smith"],
            ),
            _expectation("column_values_to_be_in_set", column="income", value_set=["high", "low"]),
        ],
    },
}


def delivered() -> pl.DataFrame:
    """The rows of `people` as text, with blanks and with `?` for what is unknown."""
    table = people().drop("_row", "_key")
    return table.with_columns(
        pl.concat_str(pl.lit(" "), pl.col(name)).fill_null(" ?").alias(name)
        for name in table.columns
    )


def package(root: Path) -> Path:
    """Run `package` in a finished project; return the folder of its bento."""
    from pipeline.core.runner import run_stage

    table = delivered()
    columns = [{"name": name, "dtype": "String"} for name in table.columns]
    write_parquet(Paths(root, "people", "ingest").output("snapshot.parquet"), table)
    write_json(Paths(root, "people", "ingest").output("profile.json"), {"columns": columns})
    write_json(Paths(root, "people", "clean").output("rules.json"), RULES)
    write_text(Paths(root, "people", "report").output("report.html"), "<p>The card.</p>\n")
    write_json(root / "data/people/contract.json", CONTRACT)
    shutil.copyfile(HERE / "requirements.lock", root / "requirements.lock")
    set_section(root, "package", {})
    set_section(root, "rehearse", {})
    run_stage(root, "package", "people")
    return Paths(root, "people", "package").output("bento")


def replace_in(file: Path, before: str, after: str) -> None:
    """Change a bento's copy: `before` must stand in the file."""
    content = file.read_text(encoding="utf-8")
    if before not in content:
        raise ValueError(f"expected {before!r} in {file}")
    file.write_text(content.replace(before, after), encoding="utf-8")


def with_model_digest(bento: Path) -> None:
    """Make a changed bento's proof name the model that it holds now."""
    from pipeline.core import bento as packaged

    source = bento / packaged.SOURCE
    proof = json.loads((source / packaged.PROOF).read_text())
    proof["model_digest"] = packaged.model_digest(source / packaged.MODEL)
    write_json(source / packaged.PROOF, proof)
