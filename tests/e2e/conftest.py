"""One full build of Adult, in a fresh clone with an empty home; tests work on copies of it."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import fresh_clone, made_once, quiet_environment

UNTRACKED = {"HALLMARK_TRACKING": "off"}
"""Tracking has its own tests; a build without it is quicker by MLflow's import."""
IN_ONE_PROCESS = """
import sys
from pathlib import Path
from pipeline.core.run.runner import run_stage
for stage in sys.argv[2:]:
    run_stage(Path.cwd(), stage, sys.argv[1])
"""


@dataclass(frozen=True)
class Clone:
    """A clone of the tested repository, used through its command lines; untracked by default."""

    root: Path

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.root,
            env={**quiet_environment(self.root.parent / "home"), **UNTRACKED, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.root,
            env={**quiet_environment(self.root.parent / "home"), **UNTRACKED},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def hallmark(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("flows.cli.main", *arguments)

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("dvc", *arguments)

    def run_stages(self, project: str, *stages: str, **more: str) -> None:
        """Run stages without DVC, in one process: quicker by the imports of all but one."""
        (self.root / "in_one_process.py").write_text(IN_ONE_PROCESS)
        done = self.run("in_one_process", project, *stages, **more)
        assert done.returncode == 0, done.stderr

    def file(self, name: str) -> Path:
        return self.root / "data" / "adult" / name

    def edit(self, name: str, before: str, after: str) -> None:
        content = (self.root / name).read_text(encoding="utf-8")
        assert before in content, (name, before)
        (self.root / name).write_text(content.replace(before, after, 1), encoding="utf-8")

    def last_build(self) -> dict[str, Any]:
        newest = max((self.root / ".local" / "runs").glob("*/build.json"))
        content: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
        return content

    def states(self) -> dict[str, str]:
        """Each stage's state in the last build."""
        return {stage["name"]: stage["state"] for stage in self.last_build()["stages"]}

    def digests(self) -> dict[str, str]:
        """The digest of each output, as dvc.lock has it, by path."""
        stages = YAML(typ="safe").load(self.root / "dvc.lock")["stages"]
        return {out["path"]: out["md5"] for entry in stages.values() for out in entry["outs"]}


@pytest.fixture(scope="session")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, str]:
    """A clone after its first build, and what that build printed."""
    folder = made_once(tmp_path_factory, "first_build", build_once)
    return Clone(folder / "clone"), (folder / "printed.txt").read_text(encoding="utf-8")


def build_once(folder: Path) -> None:
    (folder / "home").mkdir()
    clone = Clone(fresh_clone(folder / "clone"))
    (clone.root / "dvc.lock").unlink(missing_ok=True)  # whatever was built before
    raw = sorted(str(file.relative_to(clone.root)) for file in clone.root.glob("data/*/raw.dvc"))
    pulled = clone.dvc("pull", *raw)
    assert pulled.returncode == 0, pulled.stderr
    built = clone.run("flows.cli.main", "build", "adult", HALLMARK_TRACKING="on")
    assert built.returncode == 0, built.stdout + built.stderr
    (folder / "printed.txt").write_text(built.stdout, encoding="utf-8")


@pytest.fixture
def clone(first_build: tuple[Clone, str], tmp_path: Path) -> Clone:
    """A copy of the built clone, to do with as one likes."""
    shutil.copytree(first_build[0].root, tmp_path / "clone", symlinks=True)
    (tmp_path / "home").mkdir()
    return Clone(tmp_path / "clone")
