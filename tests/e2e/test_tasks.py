"""Projects of several classes and of numbers, from a csv to the champion, by the command line."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import fresh_clone
from tests.e2e.conftest import Clone
from tests.sklearn_projects import make_shipped

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["wine", "diabetes"])
def clone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository with this project alone, all of it committed."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "home").mkdir()
    made = fresh_clone(folder / request.param)
    others = [f"data/{one.name}" for one in (made / "data").iterdir() if one.name != "store"]
    git(made, "rm", "-rqf", "--ignore-unmatch", "dvc.lock", "graph.yaml", *others)
    make_shipped(made, request.param)
    git(made, "add", "-A")
    git(made, "commit", "-qm", "people")
    return Clone(made)


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True)


def test_a_build_ends_with_a_version_that_can_be_promoted(clone: Clone) -> None:
    built = clone.run("flows.cli.main", "build", "people", "--engine", HALLMARK_TRACKING="on")
    assert built.returncode == 0, built.stdout + built.stderr
    known = {
        "wine": ["metrics: accuracy ", "from the offline probabilities"],
        "diabetes": ["metrics: mean_absolute_error ", "from the offline numbers"],
    }
    words = ["verdict: passed", "rehearsal: passed", "registered: people version 1"]
    for one in (*words, *known[clone.root.name]):
        assert one in built.stdout
    assert "positive" not in built.stdout
    promoted = clone.hallmark("promote", "people", "--why", "the first")
    assert promoted.returncode == 0, promoted.stderr
    assert "champion" in clone.hallmark("versions", "people").stdout


def test_the_next_build_is_compared_with_the_champion(clone: Clone) -> None:
    """After the build above: `evaluate` then reads what is live."""
    built = clone.hallmark("build", "people", "gate", "--engine", "--set", "train.seed=3")
    assert built.returncode == 0, built.stdout + built.stderr
    report = clone.root / "data/people/50_evaluate/report.json"
    champion = json.loads(report.read_text())["champion"]
    assert (champion["outcome"], champion["version"]) == ("compared", "1")
