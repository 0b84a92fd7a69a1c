"""A module stands with whoever alone uses it; what several use stands in a room of core."""

from pathlib import Path

import pytest

from tools.rooms import MAX_MODULES, crowded, misplaced, trespasses, unmirrored, users

GATE = "pipeline/gate/stage.py"


def use(copy: Path, file: str, module: str) -> None:
    target = copy / file
    target.write_text(f"{target.read_text()}\nimport {module}\n")


def test_every_module_stands_with_its_users(root: Path) -> None:
    assert misplaced(root) == {}
    assert trespasses(root) == set()


def test_no_folder_is_crowded(root: Path) -> None:
    assert crowded(root) == {}


def test_users_are_found_through_other_modules_of_core(root: Path) -> None:
    """`gate` decides by `deciding`, which asks `gaps`, which asks `largest_gap`."""
    assert "gate" in users(root)["pipeline.core.statistics.largest_gap"]


@pytest.mark.parametrize("more", ["", "pipeline/onboarding/sizing.py"])
def test_a_module_of_core_that_one_stage_uses_is_found(copy: Path, more: str) -> None:
    (copy / "pipeline/core/statistics/novel.py").write_text('"""New."""\n')
    for file in filter(None, (GATE, more)):
        use(copy, file, "pipeline.core.statistics.novel")
    assert misplaced(copy) == {"pipeline.core.statistics.novel": "gate"}


def test_a_module_of_core_that_two_stages_use_is_right_there(copy: Path) -> None:
    (copy / "pipeline/core/statistics/novel.py").write_text('"""New."""\n')
    for file in (GATE, "pipeline/assess/stage.py"):
        use(copy, file, "pipeline.core.statistics.novel")
    assert misplaced(copy) == {}


@pytest.mark.parametrize(
    ("file", "module"),
    [
        (GATE, "pipeline.audit.proxies"),
        (GATE, "pipeline.audit.stage"),
        ("pipeline/text/data/words.py", "pipeline.audit.proxies"),
        ("pipeline/service/fields.py", "pipeline.package.stage"),
        ("flows/graph/plan.py", "pipeline.audit.proxies"),
    ],
)
def test_a_part_of_a_stage_used_from_outside_is_found(copy: Path, file: str, module: str) -> None:
    use(copy, file, module)
    importer = file.removesuffix(".py").replace("/", ".")
    assert trespasses(copy) == {(importer, module)}


def test_flows_may_use_a_stage_itself(copy: Path) -> None:
    use(copy, "flows/graph/plan.py", "pipeline.audit.stage")
    assert trespasses(copy) == set()


def test_a_folder_of_too_many_modules_is_found(copy: Path) -> None:
    folder = copy / "pipeline/gate"
    for number in range(MAX_MODULES + 1):
        (folder / f"rule_{number}.py").write_text('"""New."""\n')
    assert set(crowded(copy)) == {"pipeline/gate"}


def test_tests_mirror_the_packages(root: Path) -> None:
    assert unmirrored(root) == set()


def test_a_folder_of_tests_that_mirrors_no_package_is_found(copy: Path) -> None:
    folder = copy / "tests/unit/train/attic"
    folder.mkdir(parents=True)
    (folder / "test_loss.py").write_text('"""New."""\n')
    assert unmirrored(copy) == {"tests/unit/train/attic"}
