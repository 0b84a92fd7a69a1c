"""Two large tables through the pipeline: how long each stage takes, and at what peak of memory.

    PYTHONPATH=. python benchmarks/sizes.py                    both tables
    PYTHONPATH=. python benchmarks/sizes.py wide               300,000 × 42, all stages
    PYTHONPATH=. python benchmarks/sizes.py long               5,000,000 × 15, ingest to split
    PYTHONPATH=. python benchmarks/sizes.py wide --rows 20000  a small try; its limits say nothing

Makes the table from a seed (`made_tables.py`), writes it as csv into a copy of the repository with
a project of its own, and runs `hallmark build` there. A stage's seconds and peak are those of its
own process; the build's are of everything below it, DVC and stages side by side included, and are
what the limits are about. Ends with exit code 1 where one does not hold.
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

from benchmarks.made_tables import LONG, MISSING, POSITIVE, TARGET, WIDE, Shape, table
from benchmarks.memory import watched

ROOT = Path(__file__).parents[1]
PROJECT = "sizes"
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
    clock = time.perf_counter()
    log = folder / "build.log"
    command = [sys.executable, "-m", "flows.cli", "build", PROJECT, size.last_stage, "--engine"]
    code, peak = watched(command, folder, log)
    seconds = time.perf_counter() - clock
    print(f"{'stage':10}{'seconds':>9}{'CPU s':>9}{'rows/s':>12}{'peak GiB':>10}")
    for record in stage_records(folder):
        print(line(record["stage"], num_rows, **record["cost"]))
    print(f"{'build':10}{seconds:>9.1f}{'':9}{num_rows / seconds:>12,.0f}{peak / GIB:>10.2f}")
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


def stage_records(folder: Path) -> list[dict[str, Any]]:
    """What the stages left of themselves, in the order of their start."""
    from pipeline.core.paths import READING_ORDER

    files = folder.glob(f".local/runs/*/*@{PROJECT}.json")
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return sorted(records, key=lambda one: READING_ORDER.index(one["stage"]))


def made_repository(folder: Path, shape: Shape, num_rows: int, seed: int) -> None:
    """A copy of the repository's own code with one project, the made table's."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in listed.splitlines():
        if name.startswith(("data/", "tests/", "docs/")) or not (ROOT / name).is_file():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    home = folder / "data" / PROJECT
    (home / "raw").mkdir(parents=True)
    delivered = table(shape, num_rows, seed)
    delivered.write_csv(home / "raw" / "table.csv")
    write_project(folder, home, delivered.columns)
    del delivered
    run("git", "init", "--quiet", cwd=folder)
    run(sys.executable, "-m", "dvc", "add", "--quiet", f"data/{PROJECT}/raw", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    identity = ("-c", "user.name=sizes", "-c", "user.email=sizes@localhost")
    run("git", *identity, "commit", "--quiet", "--message", "made", cwd=folder)


def write_project(folder: Path, home: Path, names: list[str]) -> None:
    """The project's files, with a rule for each kind of column."""
    numbers = [name for name in names if name.startswith("amount")]
    whole = [name for name in names if name.startswith("code")]
    flags = [name for name in names if name.startswith("flag")]
    kinds = [name for name in names if name.startswith("kind")]
    sensitive = [name for name in names if name in ("gender", "district")]
    types = dict.fromkeys(numbers, "float")
    rules = [
        {"name": "blanks", "rule": "strip_whitespace"},
        {"name": "unknown", "rule": "missing_codes", "codes": [one for one in MISSING if one]},
        {"name": "types", "rule": "cast", "columns": types},
    ]
    columns = {
        "target": TARGET,
        "positive": POSITIVE,
        "numeric": numbers,
        "categorical": [*whole, *kinds, *flags],
        "sensitive": sensitive,
        "drop": {"opened": "its parts tell nothing", "id": "names the row"},
    }
    about = dict.fromkeys(("question", "use", "source", "licence", "population"), "made up")
    gate = {"rules": [{"measure": "roc_auc", "at_least": 0.6}]}
    stages = ("validate", "split", "audit", "balance", "train", "calibrate", "evaluate", "assess")
    others = ("explain", "report", "package", "rehearse")
    content = {
        "about": about,
        "columns": columns,
        "ingest": {"source": "raw/table.csv"},
        "clean": {"rules": rules},
        "gate": gate,
        **{stage: {} for stage in (*stages, *others)},
    }
    # JSON is YAML.
    (home / "project.yaml").write_text(json.dumps(content, indent=2), encoding="utf-8")
    suites = {
        "delivered": [
            *(matches(name, r"^(-?[0-9.]+|NA|\?|n/a|)$") for name in numbers),
            *(matches(name, r"^[0-9]+$") for name in whole),
            *(matches(name, r"^(level \d{4} of \d+|NA|\?|n/a|)$") for name in kinds),
            *(in_set(name, ["true", "false", "yes", "no", "0", "1"]) for name in flags),
            expectation("unique", "id", "expect_column_values_to_be_unique"),
            in_set(TARGET, ["no", POSITIVE]),
        ],
        "prepared": [
            *(
                expectation("range", n, "expect_column_values_to_be_between", max_value=1e12)
                for n in numbers
            ),
            *(
                expectation("present", n, "expect_column_values_to_not_be_null")
                for n in (TARGET, *sensitive)
            ),
        ],
    }
    parts = {part: {"name": part, "expectations": found} for part, found in suites.items()}
    (home / "contract.json").write_text(json.dumps(parts, indent=2), encoding="utf-8")
    (home / "overrides.json").write_text('{"overrides": []}\n', encoding="utf-8")
    (home / "champion").mkdir()
    (home / "champion/champion.json").write_text('{"version": null}\n', encoding="utf-8")
    (folder / "params.yaml").write_text(
        json.dumps({"projects": {PROJECT: {"modality": "tabular"}}}), encoding="utf-8"
    )


def matches(column: str, regex: str) -> dict[str, Any]:
    return expectation("spelling", column, "expect_column_values_to_match_regex", regex=regex)


def in_set(column: str, values: list[str]) -> dict[str, Any]:
    return expectation("values", column, "expect_column_values_to_be_in_set", value_set=values)


def expectation(notes: str, column: str, kind: str, **arguments: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "kwargs": {"column": column, **arguments},
        "severity": "critical",
        "meta": {"notes": notes},
    }


def run(*command: str, cwd: Path) -> str:
    answer = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    return answer.stdout


if __name__ == "__main__":
    main()
