"""Which points a frontier has: the usual candidates, files of points, what is refused."""

from pathlib import Path

import pytest

from flows.frontier_candidates import candidates, read_candidates
from flows.frontier_points import points_of
from pipeline.core.errors import ProjectError
from tests.flows.conftest import Tiny
from tests.flows.frontiers import candidate, typed

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

    assert len(points) >= 11
    assert len({one.family for one in points} - {"none"}) >= 5
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
