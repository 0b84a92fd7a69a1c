"""The words of `why`."""

from pathlib import Path

import pytest

from flows.graph.reasons import Reason, code_reasons, parameter_reasons
from pipeline.core.run.declared import digest, manifest


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({"epochs": 30}, {"epochs": 40}, "train.epochs 30 → 40"),
        ({"net": {"width": 8, "depth": 2}}, {"net": {"width": 16, "depth": 2}},
         "train.net.width 8 → 16"),
        ({}, {"epochs": 40}, "train.epochs added: 40"),
        ({"epochs": 40}, {}, "train.epochs removed, was 40"),
        ({"drop": ["a", "b"]}, {"drop": ["b", "c"]}, "train.drop gained c, lost a"),
        ({"drop": ["a", "b"]}, {"drop": ["b", "a"]}, "train.drop in another order"),
        ({"name": "x" * 60}, {"name": ""}, f"train.name {'x' * 39}… → ''"),
    ],
)  # fmt: skip
def test_a_parameter_is_named_down_to_its_key(
    old: dict[str, object], new: dict[str, object], text: str
) -> None:
    found = parameter_reasons("data/a/project.yaml", {"train": old}, {"train": new}, ["train"])

    assert [str(reason) for reason in found] == [text]


def test_each_changed_key_is_a_reason_of_its_own() -> None:
    found = parameter_reasons(
        "params.yaml", {"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "c": 3}}, ["a"]
    )

    assert [str(reason) for reason in found] == ["params.yaml: a.b 1 → 2", "params.yaml: a.c 2 → 3"]


def test_a_missing_output_is_not_a_changed_one() -> None:
    assert str(Reason("output", "o", "deleted")) == "output o is missing"
    assert str(Reason("output", "o", "modified")) == "output o was changed by hand"


def test_lost_outputs_are_one_reason() -> None:
    assert str(Reason("outputs", how="deleted")) == "its outputs are missing"


def test_a_changed_package_that_nobody_knows_is_named_itself(tmp_path: Path) -> None:
    (reason,) = code_reasons(tmp_path, "pipeline/train", None)

    assert str(reason) == "code pipeline/train changed"


def test_the_changed_files_of_a_package_are_named(tmp_path: Path) -> None:
    package = tmp_path / "pipeline/train"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("stage.py", "gone.py", "loop.py"):
        (package / name).write_text(name)
    listed = manifest(tmp_path, Path("pipeline/train"))

    (package / "stage.py").write_text("edited")
    (package / "gone.py").unlink()
    (package / "more.py").write_text("new")
    (package / "__pycache__/stage.pyc").write_text("cache")
    (package / "stage.py~").write_text("an editor's copy")
    found = code_reasons(tmp_path, "pipeline/train", listed)

    assert [str(reason) for reason in found] == [
        "code pipeline/train/gone.py is missing",
        "code pipeline/train/more.py is new",
        "code pipeline/train/stage.py changed",
    ]


def test_of_many_changed_files_three_are_named(tmp_path: Path) -> None:
    (tmp_path / "pipeline/train").mkdir(parents=True)

    found = code_reasons(tmp_path, "pipeline/train", {f"{n}.py": "" for n in range(7)})

    assert [reason.what for reason in found][2:] == [
        "pipeline/train/2.py",
        "pipeline/train (4 more files)",
    ]


def test_our_digest_of_a_folder_is_dvcs(tmp_path: Path) -> None:
    from dvc.repo import Repo

    folder = tmp_path / "pipeline/train"
    (folder / "loop").mkdir(parents=True)
    for name in ("stage.py", "loop/steps.py", "ä.txt"):
        (folder / name).write_text(name)
    repo = Repo.init(str(tmp_path), no_scm=True)
    (stage,) = repo.add(str(folder))
    repo.close()

    assert digest(manifest(tmp_path, Path("pipeline/train"))) == stage.outs[0].hash_info.value
