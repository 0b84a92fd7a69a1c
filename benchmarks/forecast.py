"""How near a training's forecast is to what it then takes, at the passes that it makes.

`python benchmarks/forecast.py adult fashion reviews` trains each project in place, as
`python -m pipeline train PROJECT` does; `hallmark build PROJECT balance` makes what it reads.
`--processor` takes seconds of the processor for those of the clock, in forecast and actual alike:
what a machine that others use at the same time does to both is then left out.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ALLOWED = 1.25
"""A forecast is good within this factor."""
FIGURES = ("time_s", "energy_kwh", "money", "memory_gb")


def train(project: str) -> dict[str, Any]:
    """Train in this process; what the run's record would have of the cost."""
    from pipeline.core.costs.training_record import RECORD
    from pipeline.core.run import energy, told
    from pipeline.core.run.runner import run_stage

    with energy.counting(0.0):
        run_stage(Path.cwd(), "train", project)
    found: dict[str, Any] = told.told()[RECORD]
    return found


def shown(project: str, found: dict[str, Any]) -> bool:
    """Print forecast, actual and ratio; whether the time is within the factor allowed."""
    print(f"{project}: {found['num_passes']:g} passes, {found['timed']['num_steps']} steps timed")
    for name in FIGURES:
        expected, actual = found["forecast_of_these"].get(name), found["actual"].get(name)
        if expected and actual:
            span = f"{expected['low']:.3g} to {expected['high']:.3g}"
            times = actual / expected["value"]
            print(f"  {name:<11} {expected['value']:>9.3g} ({span}) {actual:>9.3g} {times:>6.2f}")
    ratio: float = found["actual"]["time_s"] / found["forecast_of_these"]["time_s"]["value"]
    return 1 / ALLOWED <= ratio <= ALLOWED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("projects", nargs="+")
    parser.add_argument("--processor", action="store_true", help="processor seconds")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inner:  # a process of its own, so that peak memory and start-up are its own
        if given.processor:
            time.perf_counter = time.process_time
        print(json.dumps(train(given.projects[0])))
        return
    print(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; forecast (range), actual,"
    )
    print(f"ratio; {'processor seconds' if given.processor else 'seconds of the clock'}")
    good = []
    for project in given.projects:
        command = [sys.executable, __file__, project, "--inner"]
        command += ["--processor"] * given.processor
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        good.append(shown(project, json.loads(ended.stdout.splitlines()[-1])))
    print(f"within {ALLOWED - 1:.0%}: {sum(good)} of {len(good)}")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
