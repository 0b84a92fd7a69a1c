"""Training rows of ten times the memory budget: the peak of memory, streamed and not.

    PYTHONPATH=. python benchmarks/streaming.py [--budget 64] [--times 10]

Makes a table from a seed, writes it as `balance` does, and runs the stage `train` on it, each time
in a process of its own: on a few batches (what the program and a step take), on all rows with
`train.stream: never`, and streamed with `train.memory_budget_mb`. Streamed, the peak may exceed
that of a few batches by no more than the budget; ends with exit code 1 where it does.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from ruamel.yaml import YAML

from pipeline.core.paths import Paths

ROOT = Path(__file__).parents[1]
PROJECT = "rows"
NUM_COLUMNS = 40
ROW_BYTES = NUM_COLUMNS * (8 + 4) + 40
"""Of the columns as read and as the network takes them, with label, weight and number."""
BATCH = 1024
NUM_FEW = 4 * BATCH
GROUP_ROWS = 20_000
ABOUT = dict.fromkeys(("question", "use", "source", "licence", "population"), "made up")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", type=int, default=64, help="MiB for training rows")
    parser.add_argument("--times", type=float, default=10, help="how much more the rows need")
    options = parser.parse_args()
    num_rows = int(options.times * options.budget * 2**20 / ROW_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        peaks = {
            "a few batches": peak(root / "few", NUM_FEW, "never", options.budget),
            "all in memory": peak(root / "all", num_rows, "never", options.budget),
            "streamed": peak(root / "streamed", num_rows, "auto", options.budget),
        }
    least = peaks["a few batches"]
    print(f"{num_rows:,} rows of {ROW_BYTES} bytes, budget {options.budget} MiB")
    for name, found in peaks.items():
        print(f"{name:16} peak {found / 2**20:7.0f} MiB, {(found - least) / 2**20:+7.0f} MiB")
    within = peaks["streamed"] - least <= options.budget * 2**20
    print(f"streamed within the budget: {'yes' if within else 'NO'}")
    sys.exit(0 if within else 1)


def peak(root: Path, num_rows: int, stream: str, budget_mb: int) -> int:
    """The most bytes that `train` held; its own process says it."""
    make_project(root, num_rows, {"stream": stream, "memory_budget_mb": budget_mb})
    environment = {**os.environ, "HALLMARK_RUN_DIR": str(root / "run"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline", "train", PROJECT]
    subprocess.run(command, cwd=root, env=environment, check=True, stderr=subprocess.DEVNULL)
    record = json.loads((root / f"run/train@{PROJECT}.json").read_text())
    report = json.loads((Paths(root, PROJECT, "train").output("report.json")).read_text())
    if ("stream" in report) != (stream == "auto"):
        sys.exit(f"expected rows to be streamed by `auto` alone, found {report.get('stream')}")
    return int(record["cost"]["peak_memory_bytes"])


def make_project(root: Path, num_rows: int, settings: dict[str, Any]) -> None:
    """A repository in which `train` can run."""
    paths = Paths(root, PROJECT, "train")
    names = [f"n{number}" for number in range(NUM_COLUMNS)]
    sections = {
        "about": ABOUT,
        "columns": {"target": "label", "positive": "yes", "numeric": names},
        "train": {"max_epochs": 1, "batch_size": BATCH, "network": {"hidden": [32]}, **settings},
    }
    write_yaml(root / "params.yaml", {"projects": {PROJECT: {"modality": "tabular"}}})
    write_yaml(root / f"data/{PROJECT}/project.yaml", sections)
    shutil.copy(ROOT / "dvc.yaml", root / "dvc.yaml")
    for target, num in (("balance/train", num_rows), ("split/validation", NUM_FEW)):
        stage, name = target.split("/")
        write_table(paths.input(stage, f"{name}.parquet"), num, names)


def write_table(target: Path, num_rows: int, names: list[str]) -> None:
    """Rows from a seed, a group at a time: this process must not hold them either."""
    import pyarrow.parquet

    target.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    for start in range(0, num_rows, GROUP_ROWS):
        rng = np.random.default_rng(start)
        numbers = rng.normal(size=(min(GROUP_ROWS, num_rows - start), len(names)))
        label = np.where(numbers[:, 0] + numbers[:, 1] > 0, "yes", "no")
        row = np.arange(start, start + len(numbers), dtype=np.uint32)
        table = pl.DataFrame(numbers, schema=names).with_columns(label=label, _row=row).to_arrow()
        writer = writer or pyarrow.parquet.ParquetWriter(target, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def write_yaml(target: Path, content: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    YAML().dump(content, target)


if __name__ == "__main__":
    main()
