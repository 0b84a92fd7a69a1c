"""What DVC and processes cost: the stages in one process, beside a cold `hallmark build`.

    python benchmarks/overhead.py adult --rounds 3

Each round clones the repository twice into a temporary folder, pulls the raw data, and times, in
turn: (a) every stage's `run` in one Python process, in order, without DVC; (b) `hallmark build`
with an empty DVC cache. Prints both wall times, their ratio, and where (b)'s seconds went, from
the records that the stages leave.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IN_PROCESS = """
import sys, time
from pathlib import Path
from pipeline.core.run.runner import run_stage
for stage in sys.argv[2:]:
    started = time.perf_counter()
    run_stage(Path.cwd(), stage, sys.argv[1])
    print(f"  {stage:<10} {time.perf_counter() - started:6.1f} s in one process", flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    ratios = []
    for number in range(1, given.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            alone = one_process(clone(Path(folder) / "alone", given.project), given.project)
            built = clone(Path(folder) / "built", given.project)
            whole = cold_build(built, given.project)
            ratios.append(whole / alone)
            print(
                f"round {number}: one process {alone:.1f} s, build {whole:.1f} s, "
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
            if number == given.rounds:
                print(profile(built, whole))
    print(f"ratio, median of {given.rounds}: {sorted(ratios)[len(ratios) // 2]:.2f}")


def clone(target: Path, project: str) -> Path:
    """A fresh clone with its raw data and without results."""
    run("git", "clone", "--quiet", ".", str(target), cwd=Path.cwd())
    run(sys.executable, "-m", "dvc", "pull", "--quiet", f"data/{project}/raw.dvc", cwd=target)
    return target


def one_process(root: Path, project: str) -> float:
    """Wall seconds of all stages in one process."""
    from pipeline.core.paths import READING_ORDER

    started = time.perf_counter()
    run(sys.executable, "-c", IN_PROCESS, project, *READING_ORDER, cwd=root, shown=True)
    return time.perf_counter() - started


def cold_build(root: Path, project: str) -> float:
    """Wall seconds of a build that finds nothing in the cache."""
    shutil.rmtree(root / ".dvc" / "cache" / "runs", ignore_errors=True)
    started = time.perf_counter()
    run(sys.executable, "-m", "flows.cli.main", "build", project, cwd=root)
    return time.perf_counter() - started


def profile(root: Path, whole: float) -> str:
    """Where a build's seconds went: each stage's own, and what is left for DVC and processes."""
    records = [json.loads(file.read_text()) for file in root.glob(".local/runs/*/*@*.json")]
    records.sort(key=lambda record: record["started"])
    lines = [
        f"  {record['stage']:<10} {record['cost']['wall_s']:6.1f} s wall "
        f"{record['cost']['cpu_s']:6.1f} s CPU"
        for record in records
    ]
    spent = sum(record["cost"]["wall_s"] for record in records)
    lines.append(f"  all stages {spent:6.1f} s wall, of {whole:.1f} s for the build")
    return "\n".join(lines)


def run(*command: str, cwd: Path, shown: bool = False) -> None:
    output = None if shown else subprocess.DEVNULL
    subprocess.run(command, cwd=cwd, check=True, stdout=output, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
