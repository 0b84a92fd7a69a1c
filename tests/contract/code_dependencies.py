"""What code each stage runs, from the import graph, and the repository's account of it.

dvc.yaml names what a stage runs of every project, and one folder for what it runs of the project's
modality: `pipeline/<modality>/deps/<stage>/`, of links to modules. So modalities need not have the
same modules, and an edit of one makes no project of another stale.

`python -m tests.contract.code_dependencies` writes both anew (`make deps`); the contract test next
to this file compares them.
"""

import ast
import functools
import os
import shutil
import sys
from pathlib import Path

import grimp
from ruamel.yaml import YAML

FOLDER = "pipeline/${item.modality}/deps/"


def modalities(root: Path) -> list[str]:
    """The folders of `pipeline/` that hold a kind of data."""
    return sorted(file.parent.name for file in root.glob("pipeline/*/settings.py"))


def code_dependencies(root: Path, stage: str) -> set[str]:
    """The files below pipeline/ that `stage` runs whatever the modality, and the folder of what it
    runs of the modality, where it asks for any.

    Starts at the stage's module and at `pipeline.__main__`, which calls it; follows imports, also
    those inside functions. What lies beside a module under its name (`page.html.j2` beside
    `page.py`) is part of it.
    """
    reached = closure(root, {f"pipeline.{stage}", "pipeline.__main__"}, None)
    asks = any(modality_parts(root, module) for module in reached)
    return files(root, reached) | ({FOLDER + stage} if asks else set())


def modality_dependencies(root: Path, stage: str, modality: str) -> set[str]:
    """The files that `stage` runs of a modality, through calls of `part(…, "name")` and
    `optional_part`, and what only those import."""
    starts = {f"pipeline.{stage}", "pipeline.__main__"}
    return files(root, closure(root, starts, modality) - closure(root, starts, None))


def closure(root: Path, starts: set[str], modality: str | None) -> set[str]:
    """The modules that these import, and they in turn; with a modality also what they ask of it."""
    graph = import_graph(root)
    reached: set[str] = set()
    waiting = set(starts)
    while waiting:
        module = waiting.pop()
        reached.add(module)
        found = graph.find_modules_directly_imported_by(module)
        if modality is not None:
            found |= {f"pipeline.{modality}.{name}" for name in modality_parts(root, module)}
        waiting |= {name for name in found if is_file(root, name)} - reached
    return reached


def files(root: Path, modules: set[str]) -> set[str]:
    return {name.replace(".", "/") + suffix for name in modules for suffix in suffixes(root, name)}


@functools.lru_cache(maxsize=1)
def _graph(root: Path, state: int) -> grimp.ImportGraph:
    """The import graph of the package `pipeline` in `root`, read from the files, never imported."""
    sys.path.insert(0, str(root))
    imported = sys.modules.pop("pipeline", None)  # grimp would look where this one came from
    try:
        return grimp.build_graph("pipeline", cache_dir=None)
    finally:
        sys.path.remove(str(root))
        if imported is not None:
            sys.modules["pipeline"] = imported


def import_graph(root: Path) -> grimp.ImportGraph:
    """The import graph of the files as they are, made once while none is changed."""
    found = sorted((root / "pipeline").rglob("*.py"))
    sources = [file for file in found if not file.is_symlink()]  # a moved module leaves links
    return _graph(root, hash(tuple((file, file.stat().st_mtime_ns) for file in sources)))


def is_file(root: Path, module: str) -> bool:
    return (root / (module.replace(".", "/") + ".py")).is_file()


def suffixes(root: Path, module: str) -> list[str]:
    """`.py`, and the endings of files of the module's name beside it, such as its template."""
    file = root / (module.replace(".", "/") + ".py")
    return [beside.name.removeprefix(file.stem) for beside in file.parent.glob(f"{file.stem}.*")]


def modality_parts(root: Path, module: str) -> set[str]:
    """The second arguments of calls `part(…, "name")` and `optional_part` in a module."""
    tree = ast.parse((root / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
    return {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("part", "optional_part")
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


def linked(root: Path, stage: str, modality: str) -> set[str]:
    """The files that a modality's folder of this stage links to."""
    folder = root / "pipeline" / modality / "deps" / stage
    return {
        os.path.relpath(Path(os.path.normpath(folder / link.readlink())), root)
        for link in folder.glob("*")
    }


def rewrite(root: Path) -> None:
    """Write the derived code dependencies, leaving everything else in dvc.yaml as it is."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 200, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(root / "dvc.yaml")
    for stage, entry in content["stages"].items():
        deps = entry["do"]["deps"]
        others = [dep for dep in deps if not dep.startswith("pipeline/")]
        deps[:] = [*sorted(code_dependencies(root, stage)), *others]
    yaml.dump(content, root / "dvc.yaml")
    for modality in modalities(root):
        shutil.rmtree(root / "pipeline" / modality / "deps", ignore_errors=True)
        for stage in content["stages"]:
            for file in modality_dependencies(root, stage, modality):
                link(root, root / "pipeline" / modality / "deps" / stage, file)


def link(root: Path, folder: Path, file: str) -> None:
    """A link to a file, named as it is below pipeline/: `core.dates.py`, or `encoding.py` of the
    modality itself."""
    folder.mkdir(parents=True, exist_ok=True)
    below = Path(file).relative_to("pipeline").parts
    name = ".".join(below[1:] if below[0] == folder.parents[1].name else below)
    (folder / name).symlink_to(os.path.relpath(root / file, folder))


if __name__ == "__main__":
    rewrite(Path.cwd())
