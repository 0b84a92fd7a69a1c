"""dvc.yaml declares all code that a stage runs, and nothing of which it runs no line."""

import ast
from pathlib import Path

import pytest

from tools.code_dependencies import (
    code_dependencies,
    declared,
    modalities,
    rewrite,
    undeclared,
    unreached,
)

GATE = "pipeline/gate/stage.py"


def missing(root: Path) -> dict[str, set[str]]:
    """By stage, the files that it runs and that dvc.yaml does not cover."""
    found = {
        stage: set().union(*(undeclared(root, stage, one, named) for one in modalities(root)))
        for stage, named in declared(root).items()
    }
    return {stage: files for stage, files in found.items() if files}


def needless(root: Path) -> dict[str, set[str]]:
    """By stage, what dvc.yaml names although nothing of it runs."""
    found = {stage: unreached(root, stage, named) for stage, named in declared(root).items()}
    return {stage: paths for stage, paths in found.items() if paths}


def write_module(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text('"""New."""\n')


def test_everything_that_runs_is_declared(root: Path) -> None:
    assert missing(root) == {}


def test_everything_declared_runs(root: Path) -> None:
    assert needless(root) == {}


def test_dvc_yaml_is_as_make_deps_writes_it(root: Path) -> None:
    assert {stage: code_dependencies(root, stage) for stage in declared(root)} == declared(root)


def test_a_new_import_is_missed_by_exactly_the_stages_that_reach_it(copy: Path) -> None:
    write_module(copy, "pipeline/core/novel/__init__.py")
    write_module(copy, "pipeline/core/novel/novel.py")
    file = copy / "pipeline/core/prediction/calibration.py"
    file.write_text("import pipeline.core.novel.novel\n" + file.read_text())
    expected = {"pipeline/core/novel/__init__.py", "pipeline/core/novel/novel.py"}
    assert missing(copy) == {"calibrate": expected, "evaluate": expected}


def test_an_import_inside_a_function_counts(copy: Path) -> None:
    write_module(copy, "pipeline/core/novel.py")
    with (copy / GATE).open("a") as gate:
        gate.write("\n\ndef late() -> None:\n    import pipeline.core.novel\n")
    assert missing(copy) == {"gate": {"pipeline/core/novel.py"}}


def test_a_parent_package_counts(copy: Path) -> None:
    """Python runs `__init__.py` of each package above a module that is imported."""
    text = (copy / "dvc.yaml").read_text()
    line = "      - pipeline/core/__init__.py\n"
    (copy / "dvc.yaml").write_text(text.replace(line, ""))
    assert missing(copy) == {stage: {"pipeline/core/__init__.py"} for stage in declared(copy)}


def test_a_modality_part_counts_for_the_stage_that_asks_for_it(copy: Path) -> None:
    write_module(copy, "pipeline/tabular/novel/part.py")
    write_module(copy, "pipeline/tabular/novel/__init__.py")
    with (copy / GATE).open("a") as gate:
        gate.write("\n\nfrom pipeline.core.settings.modality import optional_part\n")
        gate.write('optional_part("", "novel.part")\noptional_part("", "novel.absent")\n')
    found = {f"pipeline/tabular/novel/{name}.py" for name in ("__init__", "part")}
    assert missing(copy) == {"gate": found}


def test_a_file_beside_a_module_under_its_name_counts(copy: Path) -> None:
    (copy / "pipeline/core/errors.html.j2").write_text("new")
    assert set(missing(copy)) == set(declared(copy))


@pytest.mark.parametrize("line", ["pipeline/core/contract", "pipeline/${modality}/serving"])
def test_a_needless_dependency_is_found_and_mended(copy: Path, line: str) -> None:
    text = (copy / "dvc.yaml").read_text()
    stage, _, rest = text.partition("python -m pipeline split ${name}\n    deps:\n")
    assert rest
    head = f"{stage}python -m pipeline split ${{name}}\n    deps:\n"
    (copy / "dvc.yaml").write_text(f"{head}      - {line}\n{rest}")
    assert needless(copy) == {"split": {line}}
    rewrite(copy)
    assert (copy / "dvc.yaml").read_text() == text


def test_a_forgotten_dependency_is_found_and_mended(copy: Path) -> None:
    text = (copy / "dvc.yaml").read_text()
    line = "      - pipeline/assess\n"
    assert text.count(line) == 1
    (copy / "dvc.yaml").write_text(text.replace(line, ""))
    assert set(missing(copy)) == {"assess"}
    rewrite(copy)
    assert (copy / "dvc.yaml").read_text() == text


def test_packages_hold_nothing_but_their_docstring(root: Path) -> None:
    for file in (root / "pipeline").rglob("__init__.py"):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        assert len(body) <= 1, file
        assert all(isinstance(one, ast.Expr) for one in body), file


def test_the_packages_of_pretrained_encoders_are_those_that_the_text_lock_adds(root: Path) -> None:
    locks = [root / name for name in ("requirements.lock", "requirements-text.lock")]
    base, whole = (set(lock.read_text().splitlines()) for lock in locks)
    added = (root / "pipeline/text/model/pretrained.lock").read_text().splitlines()
    assert added == sorted(whole - base)


def test_no_link_stands_in_for_a_file(root: Path) -> None:
    assert [path for path in (root / "pipeline").rglob("*") if path.is_symlink()] == []
