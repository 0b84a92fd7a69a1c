"""A project on which train, calibrate, evaluate, assess, explain and gate ran once."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.people import make_project, write_parts


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the finished project. Read only: tests that change it take `built`."""
    return made_once(tmp_path_factory, "finished", finish)


def finish(root: Path) -> None:
    from pipeline.core.run.runner import run_stage

    write_parts(make_project(root))
    (root / "data/people/champion").mkdir()
    (root / "data/people/champion/champion.json").write_text('{"version": null}\n')
    for stage in ("train", "calibrate", "evaluate", "assess", "explain", "gate"):
        run_stage(root, stage, "people")


@pytest.fixture
def built(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project's root, to be changed."""
    return shutil.copytree(finished, tmp_path / "built")
