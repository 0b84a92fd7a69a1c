"""What a waiting DVC process imports."""

import subprocess
import sys

from tests.flows.conftest import SOURCE

HEAVY = ("bentoml", "mlflow", "numpy", "pandas", "polars", "prefect", "torch")


def test_a_dvc_process_imports_nothing_heavy_of_ours() -> None:
    """It waits beside a build and starts at once; what a stage needs it imports itself."""
    code = f"import flows.engine.dvc_process, sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
