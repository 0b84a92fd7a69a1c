"""What code each stage runs, from the import graph, and dvc.yaml's account of it.

`python -m tests.contract.code_dependencies` rewrites the code dependencies in dvc.yaml
(`make deps`); the contract test next to this file compares them.
"""

import ast
import sys
from pathlib import Path

import grimp
from ruamel.yaml import YAML

MODALITY = "${item.modality}"


def code_dependencies(root: Path, stage: str, modality: str = "tabular") -> set[str]:
    """The files below pipeline/ that running `stage` imports, modality folders written as DVC does.

    Starts at the stage's module and at `pipeline.__main__`, which calls it; follows imports,
    also those inside functions, and calls of `part(…, "name")`, which import a modality's module.
    What lies beside a module under its name (`page.html.j2` beside `page.py`) is part of it.
    """
    graph = import_graph(root)
    reached: set[str] = set()
    waiting = {f"pipeline.{stage}", "pipeline.__main__"}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        found = graph.find_modules_directly_imported_by(module)
        found |= {f"pipeline.{modality}.{name}" for name in modality_parts(root, module)}
        waiting |= {name for name in found if is_file(root, name)} - reached
    prefix = f"pipeline.{modality}."
    return {
        f"pipeline/{MODALITY}/{name.removeprefix(prefix)}{suffix}"
        if name.startswith(prefix)
        else name.replace(".", "/") + suffix
        for name in reached
        for suffix in suffixes(root, name)
    }


def import_graph(root: Path) -> grimp.ImportGraph:
    """The import graph of the package `pipeline` in `root`, read from the files, never imported."""
    sys.path.insert(0, str(root))
    imported = sys.modules.pop("pipeline", None)  # grimp would look where this one came from
    try:
        return grimp.build_graph("pipeline", cache_dir=None)
    finally:
        sys.path.remove(str(root))
        if imported is not None:
            sys.modules["pipeline"] = imported


def is_file(root: Path, module: str) -> bool:
    return (root / (module.replace(".", "/") + ".py")).is_file()


def suffixes(root: Path, module: str) -> list[str]:
    """`.py`, and the endings of files of the module's name beside it, such as its template."""
    file = root / (module.replace(".", "/") + ".py")
    return [beside.name.removeprefix(file.stem) for beside in file.parent.glob(f"{file.stem}.*")]


def modality_parts(root: Path, module: str) -> set[str]:
    """The second arguments of calls `part(…, "name")` in a module."""
    tree = ast.parse((root / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
    return {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "part"
        and len(node.args) == 2
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, str)
    }


def declared(root: Path) -> dict[str, set[str]]:
    """The code dependencies that dvc.yaml declares, by stage."""
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    return {
        name: {dep for dep in entry["do"]["deps"] if dep.startswith("pipeline/")}
        for name, entry in stages.items()
    }


def rewrite(root: Path) -> None:
    """Write the derived code dependencies into dvc.yaml, leaving everything else as it is."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 200, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(root / "dvc.yaml")
    for stage, entry in content["stages"].items():
        deps = entry["do"]["deps"]
        others = [dep for dep in deps if not dep.startswith("pipeline/")]
        deps[:] = [*sorted(code_dependencies(root, stage)), *others]
    yaml.dump(content, root / "dvc.yaml")


if __name__ == "__main__":
    rewrite(Path.cwd())
