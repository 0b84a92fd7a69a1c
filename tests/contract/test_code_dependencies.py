"""A stage's code dependencies in dvc.yaml are the modules that it imports: no more, no fewer."""

import ast
from pathlib import Path

import pytest

from tests.contract.code_dependencies import (
    code_dependencies,
    declared,
    linked,
    modalities,
    modality_dependencies,
    rewrite,
)


def differences(root: Path) -> dict[str, set[str]]:
    """By stage, what is declared or imported alone; `make deps` mends it."""
    stages = declared(root)
    both = {stage: stages[stage] ^ code_dependencies(root, stage) for stage in stages}
    for stage in stages:
        for modality in modalities(root):
            wanted = modality_dependencies(root, stage, modality)
            both[stage] |= linked(root, stage, modality) ^ wanted
    return {stage: found for stage, found in both.items() if found}


def test_declared_are_the_imported_modules(root: Path) -> None:
    assert differences(root) == {}


def test_a_new_import_is_missed_by_exactly_the_stages_that_reach_it(copy: Path) -> None:
    (copy / "pipeline/core/novel.py").write_text('"""New."""\n')
    file = copy / "pipeline/core/calibration.py"
    file.write_text("import pipeline.core.novel\n" + file.read_text())
    assert differences(copy) == {
        "calibrate": {"pipeline/core/novel.py"},
        "evaluate": {"pipeline/core/novel.py"},
    }


def test_an_import_inside_a_function_counts(copy: Path) -> None:
    (copy / "pipeline/core/novel.py").write_text('"""New."""\n')
    with (copy / "pipeline/gate.py").open("a") as gate:
        gate.write("\n\ndef late() -> None:\n    import pipeline.core.novel\n")
    assert differences(copy) == {"gate": {"pipeline/core/novel.py"}}


def test_a_modality_part_counts_for_the_stage_that_asks_for_it(copy: Path) -> None:
    (copy / "pipeline/tabular/novel.py").write_text('"""New."""\n')
    with (copy / "pipeline/gate.py").open("a") as gate:
        gate.write('\n\nfrom pipeline.core.modality import part\npart("tabular", "novel")\n')
    assert differences(copy) == {"gate": {"pipeline/tabular/novel.py"}}


def test_a_part_that_not_every_modality_has_counts_where_it_is(copy: Path) -> None:
    (copy / "pipeline" / "tabular" / "novel.py").write_text('"""New."""\n')
    with (copy / "pipeline" / "gate.py").open("a") as gate:
        gate.write("\n\nfrom pipeline.core.modality import optional_part\n")
        gate.write('optional_part("tabular", "novel")\noptional_part("tabular", "absent")\n')
    found = modality_dependencies(copy, "gate", "tabular")
    assert "pipeline/tabular/novel.py" in found
    assert "pipeline/tabular/absent.py" not in found


def test_a_modality_depends_on_its_own_modules_and_on_no_other_modalitys(root: Path) -> None:
    for modality in modalities(root):
        others = [f"pipeline/{other}/" for other in modalities(root) if other != modality]
        for stage in declared(root):
            found = modality_dependencies(root, stage, modality)
            assert not [file for file in found if file.startswith(tuple(others))]
            assert bool(found) == (
                f"pipeline/${{item.modality}}/deps/{stage}" in declared(root)[stage]
            )


def test_a_file_beside_a_module_under_its_name_counts(copy: Path) -> None:
    (copy / "pipeline/gate.html.j2").write_text("new")
    assert "pipeline/gate.html.j2" in differences(copy)["gate"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_needless_or_forgotten_dependency_is_found_and_mended(copy: Path, kept: bool) -> None:
    line = "        - pipeline/core/fairness.py\n"
    content = (copy / "dvc.yaml").read_text()
    assert content.count(line) == 1
    (copy / "dvc.yaml").write_text(
        content.replace(line, line.replace("fairness", "metrics") if kept else "")
    )
    assert "assess" in differences(copy)
    rewrite(copy)
    assert (copy / "dvc.yaml").read_text() == content


def test_packages_hold_nothing_but_their_docstring(root: Path) -> None:
    """They run on every import and are no dependency of any stage."""
    for file in (root / "pipeline").rglob("__init__.py"):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        assert len(body) == 1, file
        assert isinstance(body[0], ast.Expr), file
