"""A small real project with its bento, as it is after a build; and the same with a graph of DVC."""

import json
import os
import shutil
import textwrap
from pathlib import Path

import pytest

from flows.registry.champion_files import write_champion
from flows.registry.overrides import remove_expired
from pipeline.core.paths import READING_ORDER, folder_name
from pipeline.core.settings.graph_file import graph_text
from tests.bentos import package
from tests.flows.registry.tracked import PROJECT, git, rehearsal_of
from tests.unit.conftest import finished  # noqa: F401 -- a fixture


@pytest.fixture(scope="session")
def packaged_project(
    finished: Path,  # noqa: F811 -- pytest hands the fixture over
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The finished project with bento and rehearsal, committed. Read only."""
    root = shutil.copytree(finished, tmp_path_factory.mktemp("registered") / "root")
    package(root)
    rehearsal_of(root)
    (root / ".gitignore").write_text("/.local/\n/.cache-of-tests/\n__pycache__/\n")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "As built")
    return root


MAKE = """
import json, os, shutil, sys
from pathlib import Path

stage, folder = sys.argv[1:]
for source in Path("made", stage).iterdir():
    target = Path(folder, source.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
cost = {"wall_s": 1.0, "cpu_s": 1.0, "peak_memory_bytes": 1, "device": "cpu"}
record = {"stage": stage, "project": "people", "exit_code": 0, "error": None, "cost": cost}
Path(os.environ["HALLMARK_RUN_DIR"], f"{stage}@people.json").write_text(json.dumps(record))
"""


@pytest.fixture(scope="session")
def unbuilt_shop(packaged_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose stages put there what the real ones made, quickly. Read only."""
    from dvc.repo import Repo

    root = shutil.copytree(packaged_project, tmp_path_factory.mktemp("shop") / "root")
    shutil.rmtree(root / ".git")
    shutil.rmtree(root / ".dvc")
    git(root, "init", "--quiet")
    Repo.init(str(root)).close()
    blocks, before = [], ""
    for stage in READING_ORDER:
        folder = root / "data" / PROJECT / folder_name(stage)
        if not folder.is_dir():
            continue
        shutil.move(folder, root / "made" / stage)
        names = sorted(path.name for path in (root / "made" / stage).iterdir())
        place = f"data/{PROJECT}/{folder_name(stage)}"
        deps = [f"made/{stage}", "make.py", *([before] if before else [])]
        outs = [f"{place}/{name}" for name in names]
        before = outs[0]
        blocks.append(
            f"  {stage}:\n    cmd: python make.py {stage} {place}\n    deps: {json.dumps(deps)}\n"
            f"    outs: {json.dumps(outs)}\n"
        )
    profile = root / "made" / "ingest" / "profile.json"
    known = {"source": "raw/people.csv", "sha256": "0" * 64, "rows": 600, "bytes": 1000}
    profile.write_text(json.dumps({**json.loads(profile.read_text()), **known}))
    (root / "dvc.yaml").write_text("stages:\n" + "".join(blocks))
    (root / "graph.yaml").write_text(graph_text(PROJECT, "tabular", "."))
    (root / "make.py").write_text(textwrap.dedent(MAKE))
    (root / ".gitignore").write_text("/.local/\n__pycache__/\n/data/people/*_*/\n")
    write_champion(root, PROJECT)
    remove_expired(root, PROJECT)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Not built yet")
    return root


@pytest.fixture(scope="session")
def built_shop(unbuilt_shop: Path, tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a build, committed; nothing is registered yet. Read only."""
    from flows.engine.build import Request, build
    from tests.flows.conftest import Watcher

    root = shutil.copytree(unbuilt_shop, tmp_path_factory.mktemp("built-shop") / "root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("dvc-site")))
        assert build(Request(root, PROJECT), Watcher()).exit_code == 0
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Built")
    shutil.rmtree(root / ".local")
    assert not os.environ.get("MLFLOW_TRACKING_URI")
    return root
