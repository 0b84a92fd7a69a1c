"""Two large tables through the pipeline: how long each stage takes, and at what peak of memory.

    PYTHONPATH=. python benchmarks/sizes.py                    both tables
    PYTHONPATH=. python benchmarks/sizes.py wide               300,000 × 42, all stages
    PYTHONPATH=. python benchmarks/sizes.py long               5,000,000 × 15, ingest to split
    PYTHONPATH=. python benchmarks/sizes.py wide --rows 20000  a small try; its limits say nothing

Makes the table from a seed (`made_tables.py`), writes it as csv into a copy of the repository, and
runs `hallmark init` and `hallmark build` there; only the gate is changed between, to let the model
through. A stage's seconds and peak are those of its own process; the build's are of everything
below it, DVC and stages side by side included, and are what the limits are about. Ends with exit
code 1 where one does not hold.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.made_tables import LONG, POSITIVE, TARGET, WIDE, Shape, table
from benchmarks.memory import watched

ROOT = Path(__file__).parents[1]
PROJECT = "sizes"
HALLMARK = (sys.executable, "-m", "flows.cli.main")
GIB = 2**30


@dataclass(frozen=True)
class Size:
    """A table, how far it goes, and what that may cost."""

    shape: Shape
    num_rows: int
    last_stage: str
    limit_s: float
    limit_bytes: float


SIZES = {
    "wide": Size(WIDE, 300_000, "rehearse", 600, 4 * GIB),
    "long": Size(LONG, 5_000_000, "split", 240, 6 * GIB),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("size", nargs="?", choices=(*SIZES, "both"), default="both")
    parser.add_argument("--rows", type=int, help="rows instead of the size's own")
    parser.add_argument("--seed", type=int, default=0, help="of the tables")
    parser.add_argument("--scratch", type=Path, help="where to put it all (default: temporary)")
    options = parser.parse_args()
    names = SIZES if options.size == "both" else (options.size,)
    held = []
    for name in names:
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            held.append(measured(Path(folder), SIZES[name], options.rows, options.seed))
    sys.exit(0 if all(held) else 1)


def measured(folder: Path, size: Size, rows: int | None, seed: int) -> bool:
    """Build one table, print what each stage took, and say whether the limits hold."""
    num_rows = rows or size.num_rows
    made_repository(folder, size.shape, num_rows, seed)
    print(f"{num_rows:,} × {size.shape.num_columns}, ingest to {size.last_stage}", flush=True)
    print(f"{'stage':10}{'seconds':>9}{'CPU s':>9}{'rows/s':>12}{'peak GiB':>10}")
    print(whole("init", num_rows, *initialised(folder, size.shape)), flush=True)
    clock = time.perf_counter()
    log = folder / "build.log"
    command = [*HALLMARK, "build", PROJECT, size.last_stage, "--engine"]
    code, peak = watched(command, folder, log)
    seconds = time.perf_counter() - clock
    for record in stage_records(folder):
        print(line(record["stage"], num_rows, **record["cost"]))
    print(whole("build", num_rows, seconds, peak))
    if code:
        print(f"the build ended with exit code {code}:\n{log.read_text()[-3000:]}")
    held = not code and seconds < size.limit_s and peak < size.limit_bytes
    limits = f"under {size.limit_s / 60:g} minutes and {size.limit_bytes / GIB:g} GiB"
    print(f"{limits}: {'yes' if held else 'NO'} ({os.cpu_count()} cores)\n", flush=True)
    return held


def line(stage: str, num_rows: int, **cost: Any) -> str:
    seconds, peak = cost["wall_s"], cost["peak_memory_bytes"] / GIB
    return (
        f"{stage:10}{seconds:>9.1f}{cost['cpu_s']:>9.1f}{num_rows / seconds:>12,.0f}{peak:>10.2f}"
    )


def whole(name: str, num_rows: int, seconds: float, peak: int) -> str:
    """The line of a command and all the processes below it."""
    return f"{name:10}{seconds:>9.1f}{'':9}{num_rows / seconds:>12,.0f}{peak / GIB:>10.2f}"


def stage_records(folder: Path) -> list[dict[str, Any]]:
    """What the stages left of themselves, in the order of their start."""
    from pipeline.core.paths import READING_ORDER

    files = folder.glob(f".local/runs/*/*@{PROJECT}.json")
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return sorted(records, key=lambda one: READING_ORDER.index(one["stage"]))


def made_repository(folder: Path, shape: Shape, num_rows: int, seed: int) -> None:
    """A copy of the repository's own code with one project, which `hallmark init` makes."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in listed.splitlines():
        if name.startswith(("data/", "tests/", "docs/")) or not (ROOT / name).is_file():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    run("git", "init", "--quiet", cwd=folder)
    table(shape, num_rows, seed).write_csv(folder / "delivery.csv")


def initialised(folder: Path, shape: Shape) -> tuple[float, int]:
    """The project that `hallmark init` makes of the table: its seconds and its peak bytes.

    One thing is changed in it: the gate asks for a ROC AUC alone, so that the model is packaged.
    """
    clock = time.perf_counter()
    options = ["--target", TARGET, "--positive", POSITIVE, "--sensitive", ",".join(shape.sensitive)]
    command = [*HALLMARK, "init", "delivery.csv", *options, "--name", PROJECT]
    code, peak = watched(command, folder, folder / "init.log")
    if code:
        sys.exit(f"init ended with exit code {code}:\n{(folder / 'init.log').read_text()[-3000:]}")
    seconds = time.perf_counter() - clock
    (folder / "delivery.csv").unlink()
    params = {"projects": {PROJECT: {"modality": "tabular"}}}
    (folder / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    yaml = YAML()
    file = folder / "data" / PROJECT / "project.yaml"
    content = yaml.load(file.read_text(encoding="utf-8"))
    content["gate"] = {"rules": [{"measure": "roc_auc", "at_least": 0.6}]}
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
    run("git", "add", "--all", cwd=folder)
    identity = ("-c", "user.name=sizes", "-c", "user.email=sizes@localhost")
    run("git", *identity, "commit", "--quiet", "--message", "made", cwd=folder)
    return seconds, peak


def run(*command: str, cwd: Path) -> str:
    answer = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    return answer.stdout


if __name__ == "__main__":
    main()
