"""docs/add-a-modality.md: its code is a modality that goes through stages that nobody touched."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
from ruamel.yaml import YAML

from pipeline.core.files import read_json, write_json
from pipeline.core.settings.graph_file import graph_text
from pipeline.core.settings.modality import has_part
from tests.conftest import quiet_environment
from tests.people import SETTINGS, write_yaml
from tools.code_dependencies import modalities, modality_parts, rewrite

PAGE = "docs/add-a-modality.md"
LENGTH = 24


def example(root: Path) -> dict[str, str]:
    """The code blocks of the page, by the path that each begins with."""
    text = (root / PAGE).read_text(encoding="utf-8")
    return dict(re.findall(r"```python\n# (pipeline/\S+)\n(.*?)```", text, re.DOTALL))


def signals(num: int) -> pl.DataFrame:
    """Noise, in half of the rows with a wave of a phase of its own."""
    rng = np.random.default_rng(0)
    is_wave = rng.random(num) < 0.5
    phase = rng.uniform(0, 2 * np.pi, (num, 1))
    wave = 1.5 * np.sin(np.arange(LENGTH) + phase)
    values = rng.normal(size=(num, LENGTH)) + is_wave[:, None] * wave
    table = pl.DataFrame(values, schema=[f"t{at}" for at in range(LENGTH)])
    row = pl.Series(range(num), dtype=pl.UInt32)
    return table.with_columns(kind=np.where(is_wave, "wave", "noise"), _row=row)


def make_signals(root: Path) -> Path:
    names = [f"t{at}" for at in range(LENGTH)]
    sections = {
        "about": SETTINGS["about"],
        "columns": {"target": "kind", "positive": "wave", "numeric": names},
        "split": {},
        "train": {
            "max_epochs": 12,
            "batch_size": 64,
            "learning_rate": 0.01,
            "network": {"num_channels": 6},
            "augmentation": {"noise": 0.1},
        },
        "calibrate": {},
    }
    write_yaml(root / "params.yaml", {"projects": {"echoes": {"modality": "signal"}}})
    (root / "graph.yaml").write_text(graph_text("echoes", "signal", "."))
    home = root / "data/echoes"
    write_yaml(home / "project.yaml", sections)
    (home / "20_clean").mkdir()
    signals(1500).write_parquet(home / "20_clean/table.parquet")
    write_json(home / "15_validate/report.json", {"outcome": "pass"})
    return home


def test_the_pages_modality_is_split_trained_and_calibrated(copy: Path) -> None:
    for name, code in example(copy).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(code, encoding="utf-8")
    for area in ("data", "model", "evaluation", "serving", "balancing"):
        (copy / "pipeline/signal" / area).mkdir(exist_ok=True)
        (copy / "pipeline/signal" / area / "__init__.py").touch()
    home = make_signals(copy)
    (home / "35_balance").mkdir()
    before = (copy / "dvc.yaml").read_text()
    for stage in ("split", "train", "calibrate"):
        if stage == "train":
            shutil.copy(home / "25_split/train.parquet", home / "35_balance")
        ran = subprocess.run(
            [sys.executable, "-m", "pipeline", stage, "echoes"],
            cwd=copy,
            env={**quiet_environment(copy), "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
    curve = pl.read_csv(home / "40_train/curves.csv")["validation_log_loss"]
    assert curve.min() < 0.4 < 0.6 < curve[0]  # chance alone is 0.693
    assert 0 < read_json(home / "45_calibrate/policy.json")["threshold"] < 1

    rewrite(copy)
    assert (copy / "dvc.yaml").read_text() == before


def test_the_page_names_every_part_that_stages_ask_for(root: Path) -> None:
    text = (root / PAGE).read_text(encoding="utf-8")
    asked = {
        part
        for file in (root / "pipeline").rglob("*.py")
        for part in modality_parts(root, ".".join(file.relative_to(root).with_suffix("").parts))
    }
    assert {part for part in asked if f"`{part}`" not in text} == set()
    rows = re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE)
    assert all(has_part(modality, one) for one in rows for modality in modalities(root)), rows


def test_the_example_is_all_that_the_page_promises(root: Path) -> None:
    model = ("model/encoding", "model/augmentation", "model/architecture")
    parts = ("__init__", "settings", "data/content", *model)
    assert set(example(root)) == {f"pipeline/signal/{one}.py" for one in parts}
    assert "signal" not in modalities(root)
    assert YAML(typ="safe").load(root / "params.yaml")["projects"]
