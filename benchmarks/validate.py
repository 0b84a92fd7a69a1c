"""How many rows a second `validate` and `clean` take, and at what peak of memory.

    python benchmarks/validate.py --rows 5000000

Repeats a project's snapshot to the number of rows, makes the copies differ in one column (else
`clean` would drop them as duplicates), and runs each stage as its own process in a folder of its
own. Times hold the start of the process and of Great Expectations.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parents[1]
STEP = 10_000_000  # more than the column holds, so that no copy meets another
STAGE = """
import json, resource, sys, time
from pathlib import Path
from pipeline.core.run.runner import run_stage
clock = time.perf_counter()
run_stage(Path.cwd(), sys.argv[1], sys.argv[2])
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}))
"""


def repeated(snapshot: pl.DataFrame, num_rows: int, vary: str) -> pl.DataFrame:
    """The snapshot again and again, cut at `num_rows`; `vary` grows by STEP with each copy."""
    num_copies = -(-num_rows // snapshot.height)
    number = pl.int_range(pl.len()) // snapshot.height
    digits = pl.col(vary).cast(pl.String).str.strip_chars().cast(pl.Int64) + number * STEP
    table = pl.concat([snapshot] * num_copies, rechunk=True).head(num_rows)
    return table.with_columns((" " + digits.cast(pl.String)).alias(vary))


def measured(folder: Path, stage: str, project: str) -> tuple[float, int]:
    """Wall-clock seconds and peak bytes of one stage, run in `folder`."""
    clock = time.perf_counter()
    answer = subprocess.run(
        [sys.executable, "-c", STAGE, stage, project],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - clock
    if answer.returncode:
        sys.exit(f"{stage} failed:\n{answer.stderr}")
    return seconds, json.loads(answer.stdout.splitlines()[-1])["peak"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows to repeat to")
    parser.add_argument("--project", default="adult", help="the project whose snapshot is repeated")
    parser.add_argument("--vary", default="fnlwgt", help="the column that makes copies differ")
    parser.add_argument(
        "--scratch", type=Path, help="where to put the rows (default: a temporary folder)"
    )
    options = parser.parse_args()
    source = ROOT / "data" / options.project
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        home = folder / "data" / options.project
        (home / "10_ingest").mkdir(parents=True)
        for file in ("project.yaml", "contract.json"):
            (home / file).write_bytes((source / file).read_bytes())
        (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        table = repeated(
            pl.read_parquet(source / "10_ingest" / "snapshot.parquet"), options.rows, options.vary
        )
        table.write_parquet(home / "10_ingest" / "snapshot.parquet")
        del table
        print(f"{'stage':10}{'rows':>12}{'seconds':>10}{'rows/s':>12}{'peak GiB':>10}")
        for stage in ("validate", "clean"):
            seconds, peak = measured(folder, stage, options.project)
            rate = options.rows / seconds
            print(
                f"{stage:10}{options.rows:>12,}{seconds:>10.1f}{rate:>12,.0f}{peak / 2**30:>10.2f}"
            )
        ledger = json.loads((home / "20_clean" / "ledger.json").read_text())
        print(f"clean kept {ledger['rows_out']:,} rows")


if __name__ == "__main__":
    main()
