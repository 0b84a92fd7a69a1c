"""Whole projects of the data that scikit-learn ships: wines of three growers, and patients.

`wine` has several classes; its alcohol is a feature and, cut at 13 %, makes two groups. `diabetes`
has a number, the progression of the disease after a year; its groups are by sex.
"""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
from sklearn.datasets import load_diabetes, load_wine

from pipeline.core.settings.graph_file import graph_text
from tests.people import HERE, SETTINGS, write_yaml

CONTRACT = {
    "delivered": [{"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 100}}],
    "prepared": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "target"}}],
}
PROJECTS: dict[str, dict[str, Any]] = {
    "wine": {
        "about": {"question": "Whose wine is it?"},
        "columns": {"task": "multiclass", "sensitive": ["alcohol"]},
        "edges": {"alcohol": [13.0]},
        "rules": [
            {"measure": "accuracy", "at_least": 0.6},
            {"measure": "f1_macro", "at_least": 0.6},
            {"measure": "accuracy_difference", "by": "alcohol", "at_most": 0.5},
        ],
    },
    "diabetes": {
        "about": {"question": "How far has the disease gone after a year?"},
        "columns": {"task": "regression", "sensitive": ["sex"]},
        "edges": {"sex": [1.5]},
        "rules": [
            {"measure": "r2", "at_least": 0.1},
            {"measure": "mean_absolute_error", "at_most": 70.0},
            {"measure": "mean_absolute_error_difference", "by": "sex", "at_most": 40.0},
        ],
    },
}


def table_of(name: str) -> pl.DataFrame:
    """The data with the target in `target`."""
    if name == "wine":
        found = load_wine(as_frame=True)
        growers = {0: "Barolo", 1: "Grignolino", 2: "Barbera"}
        table = pl.DataFrame(found.frame.to_dict("list"))
        return table.with_columns(pl.col("target").replace_strict(growers))
    found = load_diabetes(as_frame=True, scaled=False)
    return pl.DataFrame(found.frame.to_dict("list"))


def make_shipped(root: Path, name: str) -> Path:
    """A repository at `root` with the project `people` of this data, before its first stage."""
    known, table = PROJECTS[name], table_of(name)
    features = [column for column in table.columns if column != "target"]
    columns = {
        "target": "target",
        "numeric": features,
        "sensitive_edges": known["edges"],
        **known["columns"],
    }
    types = {column: "float" for column in table.columns if table.schema[column].is_numeric()}
    sections = {
        **SETTINGS,
        "about": {**SETTINGS["about"], **known["about"]},
        "columns": columns,
        "ingest": {"source": "raw/table.csv"},
        "validate": {},
        "clean": {"rules": [{"name": "numbers", "rule": "cast", "columns": types}]},
        "split": {"shares": {"train": 0.4, "validation": 0.1, "calibration": 0.1, "test": 0.4}},
        "audit": {"min_group_size": 20},
        "balance": {},
        "train": {
            "max_epochs": 60,
            "batch_size": 32,
            "learning_rate": 0.01,
            "encoder": {"num_bins": 8},
            "network": {"hidden": [16], "dropout": 0.0},
        },
        "evaluate": {"num_replicates": 200, "min_slice_rows": 15},
        "assess": {"num_replicates": 200, "min_group_size": 15},
        "explain": {"num_rows": 40, "num_cases": 4},
        "gate": {"rules": known["rules"]},
        "report": {},
        "package": {},
        "rehearse": {},
    }
    home = root / "data" / "people"
    write_yaml(root / "params.yaml", {"projects": {"people": {"modality": "tabular"}}})
    write_yaml(home / "project.yaml", sections)
    write_contract(home)
    (home / "raw").mkdir()
    table.write_csv(home / "raw/table.csv")
    (home / "champion").mkdir()
    (home / "champion/champion.json").write_text('{"version": null}\n')
    (home / "overrides.json").write_text('{"overrides": []}\n')
    (root / "graph.yaml").write_text(graph_text("people", "tabular", "."))
    for file in ("dvc.yaml", "requirements.lock"):
        shutil.copy(HERE / file, root / file)
    return home


def write_contract(home: Path) -> None:
    """A contract with one expectation in each part."""
    import json

    meta = {"severity": "critical", "meta": {"notes": "Something must be there."}}
    suites = {
        name: {"name": name, "expectations": [{**entry, **meta} for entry in entries]}
        for name, entries in CONTRACT.items()
    }
    (home / "contract.json").write_text(json.dumps(suites))
