"""What a waiting DVC process imports."""

import subprocess
import sys
from pathlib import Path

from tests.flows.conftest import SOURCE

HEAVY = ("bentoml", "mlflow", "numpy", "pandas", "polars", "prefect", "torch")


def test_a_dvc_process_imports_nothing_heavy_of_ours() -> None:
    """It waits beside a build and starts at once; what a stage needs it imports itself."""
    code = f"import flows.engine.dvc_process, sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_6_a_lock_that_finds_no_room_stays_as_it_was(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text("stages: {}\n")
    program = f"""
from dvc.utils.serialize import modify_yaml
from flows.engine.dvc_process import write_locks_whole
write_locks_whole()
with modify_yaml({str(lock)!r}) as content:
    content["stages"]["one"] = {{"cmd": "python"}}
with modify_yaml({str(lock)!r}) as content:
    content["stages"]["two"] = {{"cmd": "x" * 100_000}}
"""
    # the second one is larger than the files of this shell may become
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f 40; exec {sys.executable} -c "$0"', program],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "File too large" in done.stderr
    assert lock.read_text() == "stages:\n  one:\n    cmd: python\n"
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.lock"]
