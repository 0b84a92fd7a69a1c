"""import-linter holds the walls; each is shown refusing a planted import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GATE = "pipeline/gate/stage.py"


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
        (GATE, "import flows", "flows imports pipeline, never the reverse"),
        (GATE, "import pipeline.assess.stage", "layers of pipeline"),
        ("pipeline/package/stage.py", "import pipeline.gate.stage", "layers of pipeline"),
        (GATE, "import pipeline.onboarding.sizing", "layers of pipeline"),
        ("pipeline/service/fields.py", "import pipeline.package.stage", "layers of pipeline"),
        ("pipeline/core/files.py", "import pipeline.tabular.settings", "layers of pipeline"),
        ("pipeline/text/settings.py", "import pipeline.image.settings", "layers of pipeline"),
        ("pipeline/core/run/told.py", "import pipeline.core.page.svg", "layers of core"),
        ("pipeline/core/page/svg.py", "import pipeline.core.cleaning.rules", "layers of core"),
        ("pipeline/train/loop/steps.py", "import pipeline.train.budget.budget", "layers of train"),
        (
            "pipeline/onboarding/columns/naming.py",
            "import pipeline.onboarding.alerts.leaks",
            "layers of onboarding",
        ),
        (
            "pipeline/text/data/words.py",
            "import pipeline.text.model.encoding",
            "layers of a modality",
        ),
        ("flows/graph/plan.py", "import flows.engine.locks", "layers of flows"),
        ("flows/registry/history.py", "import flows.orchestration.form", "layers of flows"),
        (
            GATE,
            "import pipeline.tabular.data.dates",
            "stages and the service ask a modality for its parts by name",
        ),
        (GATE, "import fairlearn", "only the modules of measures and mitigation import fairlearn"),
        (
            "flows/graph/plan.py",
            "import great_expectations",
            "only pipeline.validate.expectations imports great_expectations",
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
            "only orchestration, the frontier's flow and the server import prefect",
        ),
    ],
)
def test_a_planted_import_breaks_its_wall(copy: Path, file: str, line: str, wall: str) -> None:
    (copy / file).write_text((copy / file).read_text() + f"\n{line}\n")
    assert wall in broken(copy)


def test_a_room_that_no_layer_names_is_found(copy: Path) -> None:
    (copy / "pipeline/core/novel").mkdir()
    (copy / "pipeline/core/novel/__init__.py").touch()
    assert "layers of core" in broken(copy)
