"""One word names a stage everywhere: where dvc.yaml and the rest disagree."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core.paths import READING_ORDER, folder_name


def problems(root: Path) -> Iterator[str]:
    """Every place that does not name the stages as dvc.yaml does."""
    content = YAML(typ="safe").load(root / "dvc.yaml")
    stages, named = content["stages"], set(content["stages"])
    if expected := set(READING_ORDER) - named:
        yield f"dvc.yaml lacks {sorted(expected)}"
    packages = {file.parent.name for file in (root / "pipeline").glob("*/stage.py")}
    yield from _differ("packages in pipeline/ with a stage.py", packages, named)
    tests = {file.parent.name for file in (root / "tests/unit").glob("*/test_stage.py")}
    yield from _differ("folders in tests/unit/ with a test_stage.py", tests, named)
    for file in sorted(root.glob("data/*/project.yaml")):
        sections = set(YAML(typ="safe").load(file)) - {"about", "columns"}
        yield from _differ(f"sections of {file.relative_to(root)}", sections, named)
    for name, entry in stages.items():
        yield from _stage(root, name, entry)


def _differ(what: str, found: set[str], named: set[str]) -> Iterator[str]:
    for name in sorted(found ^ named):
        yield f"{what}: {name!r} stands {'only there' if name in found else 'only in dvc.yaml'}"


def _stage(root: Path, name: str, entry: dict[str, Any]) -> Iterator[str]:
    if entry["cmd"] != f"python -m pipeline {name} ${{name}}":
        yield f"{name}: its command is {entry['cmd']!r}"
    folder = f"data/${{name}}/{folder_name(name)}/"
    for out in (*entry["outs"], *entry.get("metrics", ())):
        if not next(iter(out)).startswith(folder):
            yield f"{name}: {next(iter(out))} does not lie in {folder}"
        if next(iter(out.values())).get("push") is not False:
            yield f"{name}: {next(iter(out))} would be pushed to the embedded remote"
    if "requirements.lock" not in entry["deps"]:
        yield f"{name}: requirements.lock is no dependency"
    tree = ast.parse((root / "pipeline" / name / "stage.py").read_text(encoding="utf-8"))
    yield from _module(name, tree)
    watched = entry["params"][0]["data/${name}/project.yaml"]
    sections = [name, *_sections(tree)]
    if sorted(watched) != sorted(sections):
        yield f"{name}: dvc.yaml watches {sorted(watched)}, the module reads {sorted(sections)}"


def _module(name: str, tree: ast.Module) -> Iterator[str]:
    """Whether the module has a stage's shape."""
    lines = (ast.get_docstring(tree) or "").splitlines()
    for word in ("Reads:", "Writes:", "Refuses when:"):
        if not any(line.startswith(word) for line in lines):
            yield f"{name}: its docstring does not say {word!r}"
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for word in ("Settings", "run"):
        if word not in defined:
            yield f"{name}: the module does not define {word}"


def _sections(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SECTIONS":
            return list(ast.literal_eval(node.value))
    return []
