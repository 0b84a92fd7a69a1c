"""The addresses of stages that README gives to plain DVC lead where it says."""

import contextlib
import re
from collections import Counter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.graph_file import DVC_FILE, graph_folder, stage_address

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ALL = len(READING_ORDER)
UP_TO_REPORT = READING_ORDER.index("report") + 1


def stages(root: Path, folder: str, words: list[str]) -> Counter[str]:
    """How many stages of each project `dvc repro WORDS` would look at, from a folder of `root`."""
    from dvc.repo import Repo
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

    with contextlib.chdir(root / folder), Repo() as repo:
        graph = get_active_graph(repo.index.graph)
        is_all = "-P" in words
        targets = [word for word in words if not word.startswith("-")] or [DVC_FILE]
        steps = plan_repro(graph, None if is_all else collect_stages(repo, targets))
        outs = [Path(step.outs[0].fs_path).relative_to(root).parts for step in steps if step.cmd]
    return Counter(project for _, project, *_ in outs)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dvc repro", {"adult": ALL}),
        ("dvc repro report", {"adult": UP_TO_REPORT}),
        ("dvc repro data/wine/dvc.yaml", {"wine": ALL}),
        ("dvc repro data/wine/dvc.yaml:report", {"wine": UP_TO_REPORT}),
        ("cd data/wine && dvc repro report", {"wine": UP_TO_REPORT}),
        ("dvc repro -P -k", None),
        ("dvc repro -P", None),
    ],
)
def test_an_address_that_readme_names(
    root: Path, line: str, expected: dict[str, int] | None
) -> None:
    assert f"`{line}`" in (root / "README.md").read_text(encoding="utf-8")
    change, _, command = line.rpartition(" && ")
    folder, words = change.removeprefix("cd "), command.split()[2:]
    projects = YAML(typ="safe").load(root / "params.yaml")["projects"]
    assert stages(root, folder, words) == (expected or dict.fromkeys(projects, ALL))


def test_readme_names_no_other_address(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:cd [\w/]+ && )?dvc repro[^`]*)`", text))
    assert named == {
        "dvc repro",
        "dvc repro report",
        "dvc repro data/wine/dvc.yaml",
        "dvc repro data/wine/dvc.yaml:report",
        "cd data/wine && dvc repro report",
        "dvc repro -P",
        "dvc repro -P -k",
    }


def test_the_experiments_that_readme_names_are_of_keys_and_stages_that_exist(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"`dvc exp run -S (\S+?):([\w.]+)=\S+?( [\w/.:]+)?`", text)
    assert {target.strip() for *_, target in lines} == {"", "data/wine/dvc.yaml"}
    for file, key, _ in lines:
        content = YAML(typ="safe").load(root / file)
        for name in key.split("."):
            content = content[name]


def test_hallmark_and_dvc_mean_the_same_stage(root: Path) -> None:
    assert stage_address(root, "adult", "train") == "train"
    assert stage_address(root, "wine", "train") == "data/wine/dvc.yaml:train"
    for project in YAML(typ="safe").load(root / "params.yaml")["projects"]:
        folder = graph_folder(root, project)
        assert (root / folder / DVC_FILE).read_bytes() == (root / DVC_FILE).read_bytes()
