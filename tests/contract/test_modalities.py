"""Modalities are apart: an edit of one makes stale no stage of a project of another.

DVC itself is asked, in a repository with one project of each modality in which nothing is to do.
"""

import contextlib
import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.graph.plan import Planner
from pipeline.core.settings.graph_file import graph_text
from tests.conftest import ROOT, own_files
from tools.code_dependencies import MODALITY, declared, modalities

MODALITIES = modalities(ROOT)
FILES = ("deps", "outs", "metrics", "plots")
SHARED = ("about", "columns")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our code, and a project named as each modality, whose files say nothing."""
    from dvc.repo import Repo

    root = tmp_path_factory.mktemp("modalities")
    for name in own_files():
        if name.startswith(("pipeline/", "requirements")) or name == "dvc.yaml":
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name, follow_symlinks=False)
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    write(root / "params.yaml", {"projects": {name: {"modality": name} for name in MODALITIES}})
    for name in MODALITIES:
        home = root / "data" / name
        home.mkdir(parents=True)
        if name == MODALITIES[0]:
            (root / "graph.yaml").write_text(graph_text(name, name, "."))
        else:
            shutil.copyfile(root / "dvc.yaml", home / "dvc.yaml")
            (home / "graph.yaml").write_text(graph_text(name, name, "../.."))
        for stage in stages.values():
            for path in itertools.chain(*(stage.get(kind, ()) for kind in FILES)):
                path = path if isinstance(path, str) else next(iter(path))
                path = path.replace("${name}", name).replace("${modality}", name)
                if path.startswith("data/") and not Path(path).suffix:
                    path += "/file"  # a folder: raw data, a bento
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                if not (root / path).exists():
                    (root / path).write_text("{}")
        write(root / f"data/{name}/project.yaml", {one: {} for one in (*SHARED, *stages)})
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    Repo.init(str(root)).close()
    with contextlib.chdir(root), Repo() as repo:
        repo.commit(force=True)
    assert all(stale(root, one) == set() for one in MODALITIES)
    return root


def write(target: Path, content: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    YAML().dump(content, target)


def stale(root: Path, modality: str) -> set[str]:
    """The stages of the modality's project that DVC would run for what has changed itself."""
    with Planner(root, modality) as planner:
        return {step.name for step in planner.plan().steps if step.reasons}


def edited(root: Path, modality: str) -> list[str]:
    """Add a line to every module of a modality; return their paths."""
    files = sorted((root / "pipeline" / modality).rglob("*.py"))
    for file in files:
        file.write_text(file.read_text(encoding="utf-8") + "# a line\n", encoding="utf-8")
    return [file.relative_to(root).as_posix() for file in files]


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_edit_of_a_modality_makes_its_own_stages_stale_and_no_others(
    repository: Path, modality: str, tmp_path: Path
) -> None:
    before = shutil.copytree(repository / "pipeline" / modality, tmp_path / "as it was")
    try:
        files = edited(repository, modality)
        found = {one: stale(repository, one) for one in MODALITIES}
    finally:
        shutil.copytree(before, repository / "pipeline" / modality, dirs_exist_ok=True)
    own = found.pop(modality)
    assert files
    assert own == {
        stage
        for stage, named in declared(ROOT).items()
        if any(name.startswith(f"pipeline/{MODALITY}/") for name in named)
    }
    assert len(own) > 5
    assert not any(found.values())
