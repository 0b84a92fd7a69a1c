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
        ("pipeline/gate/stage.py", "import flows", "flows imports pipeline, never the reverse"),
        (
            "pipeline/gate/stage.py",
            "import pipeline.assess.stage",
            "stages meet only through files",
        ),
        (
            "pipeline/core/files.py",
            "import pipeline.tabular.model.architecture",
            "what is shared knows no stage and no modality",
        ),
        (
            "pipeline/gate/stage.py",
            "import fairlearn",
            "only the modules of measures and mitigation import fairlearn",
        ),
        (
            "flows/graph/plan.py",
            "import great_expectations",
            "only pipeline.validate.expectations imports great_expectations",
        ),
        (
            "pipeline/package/stage.py",
            "import pipeline.gate.stage",
            "stages meet only through files",
        ),
        (
            "pipeline/core/bento/folder.py",
            "import bentoml",
            "only the service and its packaging import bentoml",
        ),
        (
            "flows/registry/versions.py",
            "import mlflow",
            "only flows.tracking.store imports mlflow",
        ),
        ("flows/engine/build.py", "import prefect", "the engine runs without prefect"),
        (
            "flows/engine/summary.py",
            "import prefect",
            "only the modules of the flow import prefect",
        ),
    ],
)
def test_a_planted_import_breaks_its_wall(copy: Path, file: str, line: str, wall: str) -> None:
    (copy / file).write_text((copy / file).read_text() + f"\n{line}\n")
    assert wall in broken(copy)
