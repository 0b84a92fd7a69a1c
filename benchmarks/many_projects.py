"""What DVC takes around a stage, with the projects of this repository and with twenty more.

Clones the repository, builds wine up to `gate`, then runs that stage again and again: with
`dvc repro --single-item --force`, and by itself. The difference is DVC's. Then the same with copies
of wine beside it. Rounds alternate, so that a change of the machine's speed meets all; medians are
printed.

    PYTHONPATH=. python benchmarks/many_projects.py
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.core.settings.graph_file import graph_text

PROJECT, STAGE, NUM_MORE, NUM_ROUNDS = "wine", "gate", 20, 7
BY_DVC = ("-m", "dvc", "repro", "--single-item", "--force", f"data/{PROJECT}/dvc.yaml:{STAGE}")
BY_ITSELF = ("-m", "pipeline", STAGE, PROJECT)


def run(root: Path, *words: str) -> float:
    """Run a command of this Python in `root`; its seconds."""
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(root), "DVC_NO_ANALYTICS": "1"}
    subprocess.run(
        [sys.executable, *words], cwd=root, env=environment, check=True, capture_output=True
    )
    return time.monotonic() - began


def clone(target: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(Path.cwd()), str(target)], check=True)
    run(target, "-m", "dvc", "pull", f"data/{PROJECT}/raw.dvc")
    run(target, "-m", "dvc", "repro", f"data/{PROJECT}/dvc.yaml:{STAGE}")
    return target


def add_projects(root: Path, number: int) -> None:
    """Copies of the project, each with a dvc.lock as long as a built one's."""
    home = root / "data" / PROJECT
    lock = (home / "dvc.lock").read_text(encoding="utf-8")
    params = (root / "params.yaml").read_text(encoding="utf-8")
    lines = ""
    for index in range(number):
        name = f"{PROJECT}{index}"
        copy = root / "data" / name
        copy.mkdir()
        for file in ("dvc.yaml", "project.yaml", "contract.json", "overrides.json"):
            shutil.copyfile(home / file, copy / file)
        (copy / "graph.yaml").write_text(graph_text(name, "tabular", "../.."), encoding="utf-8")
        (copy / "dvc.lock").write_text(lock.replace(f"data/{PROJECT}/", f"data/{name}/"))
        lines += f"  {name}:\n    modality: tabular\n"
    (root / "params.yaml").write_text(params.replace("projects:\n", f"projects:\n{lines}"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        few = clone(Path(folder) / "few")
        many = Path(folder) / "many"
        shutil.copytree(few, many, symlinks=True)
        add_projects(many, NUM_MORE)
        taken: dict[str, list[float]] = {"few": [], "many": [], "alone": []}
        for _ in range(NUM_ROUNDS):
            taken["alone"].append(run(few, *BY_ITSELF))
            taken["few"].append(run(few, *BY_DVC))
            taken["many"].append(run(many, *BY_DVC))
        num = len(list((few / "data").glob("*/project.yaml")))
        alone = statistics.median(taken["alone"])
        around = {name: statistics.median(taken[name]) - alone for name in ("few", "many")}
        print(f"{STAGE} by itself: {alone:.2f} s")
        print(f"DVC around it, {num} projects: {around['few']:.2f} s")
        print(f"DVC around it, {num + NUM_MORE} projects: {around['many']:.2f} s")
        print(f"ratio: {around['many'] / around['few']:.2f}")


if __name__ == "__main__":
    main()
