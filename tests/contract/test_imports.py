"""import-linter holds the walls; each is shown refusing a planted import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def broken(folder: Path) -> set[str]:
    """The names of the broken contracts in a repository."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert any("Contracts:" in line for line in lines), done.stdout + done.stderr
    return {line.split(" BROKEN")[0] for line in lines if " BROKEN" in line}


def test_the_walls_stand(root: Path) -> None:
    assert broken(root) == set()


@pytest.mark.parametrize(
    ("file", "line", "wall"),
    [
        ("pipeline/gate.py", "import flows", "flows imports pipeline, never the reverse"),
        ("pipeline/gate.py", "import pipeline.assess", "stages meet only through files"),
        (
            "pipeline/core/files.py",
            "import pipeline.tabular.model",
            "what is shared knows no stage and no modality",
        ),
        (
            "pipeline/gate.py",
            "import fairlearn",
            "only the modules of measures and mitigation import fairlearn",
        ),
        (
            "flows/plan.py",
            "import great_expectations",
            "only pipeline.core.expectations imports great_expectations",
        ),
        ("pipeline/package.py", "import pipeline.gate", "stages meet only through files"),
        (
            "pipeline/core/bento.py",
            "import bentoml",
            "only the service and its packaging import bentoml",
        ),
        (
            "flows/registry.py",
            "import mlflow",
            "only flows.tracking_store imports mlflow",
        ),
        ("flows/engine.py", "import prefect", "the engine runs without prefect"),
        ("flows/summary.py", "import prefect", "only the modules of the flow import prefect"),
    ],
)
def test_a_planted_import_breaks_its_wall(copy: Path, file: str, line: str, wall: str) -> None:
    (copy / file).write_text((copy / file).read_text() + f"\n{line}\n")
    assert wall in broken(copy)
