"""Which points a frontier has: the usual candidates, files of points, what is refused."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.frontier.candidates import candidates, read_candidates
from flows.frontier.points import TARGET, points_of
from flows.settings.project_file import apply
from pipeline.core.errors import ProjectError
from pipeline.core.paths import READING_ORDER
from tests.flows.conftest import Tiny
from tests.flows.frontier.frontiers import candidate, typed
from tests.sklearn_projects import make_shipped

__all__ = ["typed"]
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


@pytest.mark.usefixtures("typed")
def test_candidates_with_the_same_settings_are_one_point_and_refused_ones_say_why(
    tiny: Tiny,
) -> None:
    tiny.set_value("train", 30)
    bad = candidate(40).model_copy(update={"name": "bad", "set": {"train.valeu": 1}})
    twice = candidate(20).model_copy(update={"name": "twice"})

    points, refused = points_of(tiny.root, "tiny", [candidate(20), twice, candidate(30), bad])

    assert [one.name for one in points] == ["value 20", "value 30"]  # the second is the project's
    assert [one.assignments for one in points] == [("train.value=20",), ()]
    assert [one.name for one in refused] == ["twice", "bad"]
    assert "'value 20'" in refused[0].why
    assert "unknown key `train.valeu`" in refused[1].why
    assert "did you mean `value`" in refused[1].why


@pytest.mark.usefixtures("typed")
def test_the_projects_own_settings_are_a_point_unless_a_candidate_is_it(tiny: Tiny) -> None:
    points, _ = points_of(tiny.root, "tiny", [candidate(20), candidate(40)])

    assert [one.name for one in points] == ["value 20", "as project.yaml has it", "value 40"]


def test_adults_candidates_are_points_over_no_mitigation(root: Path) -> None:
    points, _ = points_of(root, "adult", candidates(root, "adult"))

    assert len(points) >= 12
    assert len({one.family for one in points} - {"none"}) >= 6
    unmitigated = points[0]
    assert unmitigated.settings["balance"]["method"] == "none"
    assert unmitigated.settings["train"]["mitigation"]["strength"] == 0
    assert unmitigated.settings["calibrate"]["mitigation"]["method"] == "none"
    threshold = next(one for one in points if one.name == "threshold")
    mitigation = threshold.settings["calibrate"]["mitigation"]
    assert (mitigation["at_most"], mitigation["columns"]) == (0.1, ["sex"])  # the tightest rule's


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("point: []\n", "unknown key `point`"),
        ("points: []\n", "expected the key `points` with a list"),
        ("points: [{name: a, family: b, sett: {}}]\n", "did you mean `set`"),
        ("points: [{name: a, family: b}, {name: a, family: c}]\n", "'a' twice"),
        ("points: [{name: a}]\n", "points.0.family"),
    ],
)
def test_a_file_of_points_is_checked(tmp_path: Path, text: str, said: str) -> None:
    source = tmp_path / "mine.yaml"
    source.write_text(text)

    with pytest.raises(ProjectError) as refused:
        read_candidates(source)

    assert said in str(refused.value)


def test_a_file_of_points_is_read(tmp_path: Path) -> None:
    source = tmp_path / "mine.yaml"
    source.write_text(
        "points:\n- name: by sex\n  family: reweigh\n  trainings: 2\n"
        "  set: {balance.method: reweigh, balance.columns: [sex]}\n"
    )

    (found,) = read_candidates(source)

    assert found.trainings == 2
    assert found.set == {"balance.method": "reweigh", "balance.columns": ("sex",)}


def test_a_chosen_reduction_leaves_no_settings_behind(root: Path, tmp_path: Path) -> None:
    """Written into project.yaml, its settings are not in the way of other points."""
    home = tmp_path / "data" / "adult"
    home.mkdir(parents=True)
    for name in ("params.yaml", "data/adult/project.yaml"):
        shutil.copyfile(root / name, tmp_path / name)
    points, _ = points_of(tmp_path, "adult", candidates(tmp_path, "adult"))
    reduction = next(one for one in points if one.family == "exponentiated_gradient")

    apply(tmp_path, "adult", reduction.assignments)
    again, refused = points_of(tmp_path, "adult", candidates(tmp_path, "adult"))

    assert {one.name for one in refused} <= {"adversarial"}
    chosen = next(one for one in again if one.name == reduction.name)
    assert chosen.assignments == ()  # it is what the file says now
    plain = next(one for one in again if one.name == "unmitigated")
    assert plain.assignments == ("train.mitigation={strength: 0}",)
    assert [one.settings for one in again] == [one.settings for one in points]


def test_no_stage_that_a_point_needs_reads_the_test_part(root: Path) -> None:
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    needed = READING_ORDER[: READING_ORDER.index(TARGET) + 1]

    read = {name: stages[name]["deps"] for name in needed}

    assert not [name for name, deps in read.items() if any("test.parquet" in dep for dep in deps)]
    assert any("test.parquet" in dep for dep in stages["evaluate"]["deps"])


@pytest.mark.parametrize(
    ("name", "families"),
    [
        (
            "wine",
            {"none", "penalty", "reweigh", "resample", "correlation remover", "synthetic rows"},
        ),
        ("diabetes", {"none", "penalty", "correlation remover"}),
    ],
)
def test_the_usual_candidates_are_those_that_know_the_task(
    tmp_path: Path, name: str, families: set[str]
) -> None:
    make_shipped(tmp_path, name)
    found = candidates(tmp_path, "people")
    assert {one.family for one in found} == families
    assert not any("mitigation.method" in key for one in found for key in one.set)
