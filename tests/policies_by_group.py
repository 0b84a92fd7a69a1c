"""The project `people`, decided by thresholds for each group of `sex`, and packaged."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.paths import folder_name
from pipeline.core.run.runner import run_stage
from tests.bento_inputs import FIELDS, as_delivered, write_inputs
from tests.people import people, set_section

MITIGATION = {
    "method": "threshold_optimizer",
    "constraint": "equalized_odds",
    "columns": ["sex"],
    "min_group_size": 20,
    "allow_sensitive_at_serving": True,
}


def package_by_group(root: Path) -> Path:
    """Calibrate, evaluate, explain and package a finished project; its folder."""
    set_section(root, "calibrate", {"mitigation": MITIGATION})
    for stage in ("calibrate", "evaluate", "explain"):
        run_stage(root, stage, "people")
    home = write_inputs(root)
    contract = json.loads((home / "contract.json").read_text())
    for entry in contract["prepared"]["expectations"]:
        if entry["kwargs"].get("column") == "sex":
            entry["kwargs"]["value_set"] = ["female", "male"]
    (home / "contract.json").write_text(json.dumps(contract))
    snapshot = home / folder_name("ingest") / "snapshot.parquet"
    pl.DataFrame(with_sex(people())).write_parquet(snapshot)
    set_section(root, "package", {"fields": FIELDS, "max_rows": 200, "max_body_bytes": 100_000})
    set_section(root, "rehearse", {"batch_rows": 20})
    run_stage(root, "package", "people")
    return home


def with_sex(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Clean rows as the source delivers them, with a blank after each sex."""
    delivered = as_delivered(rows)
    return [{**row, "sex": f"{sex} "} for row, sex in zip(delivered, rows["sex"], strict=True)]
