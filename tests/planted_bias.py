"""Builds of made tables, each with one bias planted in it, and of one without any.

Whether a person's label is high depends on skill alone. Sex and region are features except where a
proxy is planted: there `height` tells sex, and sex itself is left out of the model.
"""

import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from pipeline.core.run.runner import run_stage
from tests.people import HERE, SETTINGS, write_yaml
from tests.sklearn_projects import write_contract

Planting = Literal["none", "crossing", "proxy", "small group"]
STAGES = (
    "ingest validate clean split audit balance train calibrate evaluate assess explain gate report"
)
RULE = {"measure": "demographic_parity_difference", "by": "sex × region", "at_most": 0.3}
RULES: dict[Planting, dict[str, Any]] = {
    "none": RULE,
    "crossing": RULE,
    "proxy": {**RULE, "by": "sex"},
    "small group": {**RULE, "by": "region", "at_most": 0.2},
}


def people(planting: Planting, num_rows: int = 8000, seed: int = 7) -> pl.DataFrame:
    """A table with, for instance, seven in ten of the high labels of one crossing turned low."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], num_rows)
    region = rng.choice(["north", "south"], num_rows)
    skill = rng.normal(0, 2, num_rows)
    label = rng.random(num_rows) < 1 / (1 + np.exp(-2 * skill))
    harmed = np.zeros(num_rows, dtype=bool)
    height = rng.normal(0, 1, num_rows)
    if planting == "crossing":
        harmed = (sex == "f") & (region == "south")
    if planting == "proxy":
        height += 3 * (sex == "m")
        harmed = sex == "f"
    if planting == "small group":
        region = np.where(rng.random(num_rows) < 0.03, "island", region)
        harmed = region == "island"
    label &= ~(harmed & (rng.random(num_rows) < 0.7))
    return pl.DataFrame(
        {
            "skill": np.round(skill, 4),
            "height": np.round(height, 4),
            "town": rng.choice(["x", "y", "z"], num_rows),
            "sex": sex,
            "region": region,
            "target": np.where(label, "high", "low"),
        }
    )


def sections(planting: Planting) -> dict[str, Any]:
    """The project's settings; every detection is on."""
    features = ["town", "region"] if planting == "proxy" else ["town", "sex", "region"]
    return {
        **SETTINGS,
        "columns": {
            "target": "target",
            "positive": "high",
            "numeric": ["skill", "height"],
            "categorical": features,
            "sensitive": ["sex", "region"],
        },
        "ingest": {"source": "raw/table.csv"},
        "validate": {},
        "clean": {
            "rules": [
                {
                    "name": "numbers",
                    "rule": "cast",
                    "columns": {"skill": "float", "height": "float"},
                }
            ]
        },
        "split": {"shares": {"train": 0.5, "validation": 0.1, "calibration": 0.1, "test": 0.3}},
        "audit": {"min_slice_rows": 50},
        "balance": {},
        "train": {
            "max_epochs": 12,
            "batch_size": 128,
            "learning_rate": 0.01,
            "encoder": {"num_bins": 8},
            "network": {"hidden": [16], "dropout": 0.0},
        },
        "assess": {"num_replicates": 300},
        "gate": {"rules": [RULES[planting]]},
        "report": {},
    }


def build(root: Path, planting: Planting) -> Path:
    """The finished project `people` at `root`, from the file to the page."""
    home = root / "data" / "people"
    write_yaml(root / "params.yaml", {"projects": {"people": {"modality": "tabular"}}})
    write_yaml(home / "project.yaml", sections(planting))
    write_contract(home)
    (home / "raw").mkdir()
    people(planting).write_csv(home / "raw/table.csv")
    (home / "champion").mkdir()
    (home / "champion/champion.json").write_text('{"version": null}\n')
    (home / "overrides.json").write_text('{"overrides": []}\n')
    shutil.copy(HERE / "dvc.yaml", root / "dvc.yaml")
    for stage in STAGES.split():
        run_stage(root, stage, "people")
    return root
