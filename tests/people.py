"""A small project that the tests share: a synthetic table, its parts, its folder.

The label depends on hours, age and job, and on sex through hours; some ages and jobs are missing.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from ruamel.yaml import YAML

from pipeline.core.paths import folder_name
from pipeline.core.settings.columns import Columns

HERE = Path(__file__).parents[1]
COLUMNS: dict[str, Any] = {
    "target": "income",
    "positive": "high",
    "numeric": ["age", "hours"],
    "categorical": ["job"],
    "sensitive": ["sex", "region"],
    "drop": {"note": "free text"},
}
SETTINGS: dict[str, Any] = {
    "about": {
        "question": "Is it high?",
        "use": "Tests alone.",
        "source": "made up",
        "licence": "none",
        "population": "nobody",
    },
    "columns": COLUMNS,
    "ingest": {"source": "raw/people.csv"},
    "train": {
        "max_epochs": 4,
        "batch_size": 64,
        "learning_rate": 0.01,
        "encoder": {"num_bins": 4, "min_level_count": 5},
        "network": {"hidden": [8], "dropout": 0.1, "embedding_width": 2},
    },
    "calibrate": {},
    "evaluate": {"num_replicates": 100, "min_slice_rows": 20},
    "assess": {"num_replicates": 200, "min_group_size": 30},
    "explain": {"num_rows": 40, "num_cases": 3},
    "gate": {"rules": [{"measure": "roc_auc", "at_least": 0.5}]},
}


def columns_of(**changes: Any) -> Columns:
    return Columns.model_validate({**COLUMNS, **changes})


def people(num_rows: int = 600, seed: int = 0) -> pl.DataFrame:
    """Rows as `split` writes them, in an order that means nothing."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], num_rows, p=[0.4, 0.6])
    region = rng.choice(["north", "south", "island"], num_rows, p=[0.55, 0.41, 0.04])
    age = rng.integers(18, 70, num_rows).astype(float)
    hours = np.round(rng.normal(32, 6, num_rows) + 8 * (sex == "male"), 1)
    job = rng.choice(["clerk", "farmer", "nurse", "smith"], num_rows)
    score = 0.15 * (hours - 37) + 0.03 * (age - 44) + 1.5 * (job == "smith") - 0.4
    label = rng.random(num_rows) < 1 / (1 + np.exp(-2 * score))
    table = pl.DataFrame(
        {
            "age": age,
            "hours": hours,
            "job": job,
            "sex": sex,
            "region": region,
            "note": ["-"] * num_rows,
            "income": np.where(label, "high", "low"),
            "_row": pl.Series(range(num_rows), dtype=pl.UInt32),
            "_key": rng.integers(0, 2**63, num_rows).astype(np.uint64),
        }
    )
    return table.with_columns(
        age=pl.when(pl.Series(rng.random(num_rows) < 0.1)).then(None).otherwise(pl.col("age")),
        job=pl.when(pl.Series(rng.random(num_rows) < 0.1)).then(None).otherwise(pl.col("job")),
    )


TARGETS = {"multiclass": "grade", "regression": "wage"}


def task_columns(task: str, **changes: Any) -> dict[str, Any]:
    """The section `columns` of a project whose task is another than binary."""
    kept = {name: value for name, value in COLUMNS.items() if name != "positive"}
    drop = {**COLUMNS["drop"], "income": "made of the same score"}
    return {**kept, "target": TARGETS[task], "task": task, "drop": drop, **changes}


def task_people(task: str, num_rows: int = 600, seed: int = 0) -> pl.DataFrame:
    """`people` with a target of three grades, or a wage; missing ages and jobs tell nothing."""
    table = people(num_rows, seed)
    rng = np.random.default_rng(seed + 1)
    hours, job = table["hours"].to_numpy(), (table["job"] == "smith").fill_null(False).to_numpy()
    score = 0.15 * (hours - 37) + 1.5 * job + 0.4 * rng.normal(size=num_rows)
    if task == "regression":
        return table.with_columns(wage=pl.Series(np.round(2000 + 300 * score, 2)))
    grade = np.array(["low", "middle", "top"])[np.searchsorted([-0.5, 0.7], score)]
    return table.with_columns(grade=pl.Series(grade))


def make_task_project(root: Path, task: str, **sections: Any) -> Path:
    """As `make_project`, with a task other than binary, and its parts."""
    rule = {
        "multiclass": {"measure": "accuracy", "at_least": 0.4},
        "regression": {"measure": "r2", "at_least": 0.1},
    }
    given = {"columns": task_columns(task), "gate": {"rules": [rule[task]]}}
    given |= {"explain": {"num_rows": 40, "num_cases": 12}, **sections}
    home = make_project(root, **given)
    write_parts(home, task_people(task))
    (home / "champion").mkdir(exist_ok=True)
    (home / "champion/champion.json").write_text('{"version": null}\n')
    return home


def write_yaml(target: Path, content: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as stream:
        YAML().dump(content, stream)


def make_project(root: Path, **sections: Any) -> Path:
    """A repository at `root` with the project `people`; `sections` replace those of SETTINGS."""
    write_yaml(root / "params.yaml", {"projects": {"people": {"modality": "tabular"}}})
    home = root / "data" / "people"
    write_yaml(home / "project.yaml", {**SETTINGS, **sections})
    (home / "overrides.json").write_text('{"overrides": []}\n')
    (home / "raw").mkdir(exist_ok=True)
    shutil.copy(HERE / "dvc.yaml", root / "dvc.yaml")
    return home


def set_section(root: Path, name: str, value: Any) -> None:
    """Replace one section of the project's file."""
    source = root / "data" / "people" / "project.yaml"
    write_yaml(source, {**YAML(typ="safe").load(source), name: value})


def write_parts(home: Path, table: pl.DataFrame | None = None) -> None:
    """What `split` and `balance` would have written: five tenths, then one, two and two."""
    table = people() if table is None else table
    split, balance = home / folder_name("split"), home / folder_name("balance")
    split.mkdir(parents=True, exist_ok=True)
    balance.mkdir(parents=True, exist_ok=True)
    tenth, start = table.height // 10, 0
    for name, tenths in (("train", 5), ("validation", 1), ("calibration", 2), ("test", 2)):
        rows = table[start : start + tenths * tenth]
        rows.write_parquet(split / f"{name}.parquet")
        start += tenths * tenth
    pl.read_parquet(split / "train.parquet").write_parquet(balance / "train.parquet")
