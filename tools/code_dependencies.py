"""What code each stage runs, from the import graph, and what dvc.yaml says of it.

dvc.yaml names packages: the stage's own, the rooms of `pipeline/core/` that it uses, and the areas
of the project's modality, `pipeline/${modality}/<area>`. Of a room of which a stage runs less
than half, it names single files.

`python -m tools.code_dependencies` (`make deps`) writes them anew, and the copies of dvc.yaml in
the projects' folders; a contract test compares them.
"""

import ast
import functools
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import grimp
from ruamel.yaml import YAML

PACKAGES = ("pipeline", "flows")
MODALITY = "${modality}"
LEAST_SHARE = 0.5
"""Of a room's modules: from here on a stage depends on the room, below on single files."""


def modalities(root: Path) -> list[str]:
    """The folders of `pipeline/` that hold a kind of data."""
    return sorted(file.parent.name for file in root.glob("pipeline/*/settings.py"))


def reached(root: Path, stage: str, modality: str | None) -> set[str]:
    """The modules and packages that `stage` imports, and they in turn, also inside functions.

    Starts at the stage and at `pipeline.__main__`, which calls it. A package counts with each of
    its modules, as Python runs its `__init__`. With a modality, also what `part(…, "name")` and
    `optional_part` ask of it.
    """
    graph = import_graph(root)
    found: set[str] = set()
    waiting = {f"pipeline.{stage}.stage", "pipeline.__main__"}
    while waiting:
        module = waiting.pop()
        found.add(module)
        imported = graph.find_modules_directly_imported_by(module)
        if modality is not None:
            imported |= {f"pipeline.{modality}.{name}" for name in modality_parts(root, module)}
        imported |= {parent for name in imported | {module} for parent in parents(name)}
        waiting |= {name for name in imported if source(root, name)} - found
    return found


def parents(module: str) -> set[str]:
    """`a.b.c` → `a.b`, `a`."""
    parts = module.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def source(root: Path, module: str) -> Path | None:
    """The file of a module or package, relative to the root."""
    place = Path(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if (root / file).is_file():
            return file
    return None


def files(root: Path, modules: Iterable[str]) -> set[str]:
    """The files of modules and packages, with what lies beside a module under its name, such as
    its template."""
    found: set[str] = set()
    for name in modules:
        file = source(root, name)
        assert file is not None
        beside = (root / file.parent).glob(f"{file.stem}.*")
        found |= {one.relative_to(root).as_posix() for one in beside}
    return found


def code_dependencies(root: Path, stage: str) -> list[str]:
    """What dvc.yaml must name of the code that `stage` runs, files before folders."""
    own = f"pipeline/{stage}"
    used = {modality: files(root, reached(root, stage, modality)) for modality in modalities(root)}
    named = {own}
    for folder, found in _by_folder(set().union(*used.values())):
        kind = next((one for one in used if folder.startswith(f"pipeline/{one}")), None)
        if kind is None and not f"{folder}/".startswith(own + "/"):
            named |= _declared(root, folder, found)
        elif kind is not None:
            place = f"pipeline/{MODALITY}"
            whole = folder != f"pipeline/{kind}"
            of_modality = {folder} if whole else found
            named |= {path.replace(f"pipeline/{kind}", place, 1) for path in of_modality}
    return sorted(named, key=lambda path: (not _is_file(path), path))


def _by_folder(found: Iterable[str]) -> list[tuple[str, set[str]]]:
    folders: dict[str, set[str]] = {}
    for file in found:
        folders.setdefault(Path(file).parent.as_posix(), set()).add(file)
    return sorted(folders.items())


def _declared(root: Path, folder: str, used: set[str]) -> set[str]:
    """A folder, or the files of it that are used where these are few."""
    modules = {file for file in used if file.endswith(".py") and not file.endswith("__init__.py")}
    every = [file for file in (root / folder).glob("*.py") if file.name != "__init__.py"]
    is_room = len(Path(folder).parts) > 2 or folder == "pipeline/service"
    return {folder} if is_room and len(modules) >= LEAST_SHARE * len(every) else used


def _is_file(path: str) -> bool:
    return Path(path).suffix != "" and not path.endswith("}")


@functools.lru_cache(maxsize=1)
def _graph(root: Path, state: int) -> grimp.ImportGraph:
    """The import graph of `pipeline` and `flows` in `root`, read from the files, never imported."""
    names = [name for name in PACKAGES if (root / name).is_dir()]
    sys.path.insert(0, str(root))
    imported = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:  # grimp would look where the imported ones came from
        return grimp.build_graph(*names, cache_dir=None)
    finally:
        sys.path.remove(str(root))
        sys.modules |= imported


def import_graph(root: Path) -> grimp.ImportGraph:
    """The import graph of the files as they are, made once while none is changed."""
    found = sorted(file for name in PACKAGES for file in (root / name).rglob("*.py"))
    return _graph(root, hash(tuple((file, file.stat().st_mtime_ns) for file in found)))


def modality_parts(root: Path, module: str) -> set[str]:
    """The second arguments of calls `part(…, "name")` and `optional_part` in a module."""
    file = source(root, module)
    if file is None:
        return set()
    return _asked((root / file).read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=1024)
def _asked(text: str) -> set[str]:
    return {
        node.args[1].value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("part", "optional_part")
        and len(node.args) == 2
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, str)
    }


def declared(root: Path) -> dict[str, list[str]]:
    """The code dependencies that dvc.yaml declares, by stage."""
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    return {
        name: [dep for dep in entry["deps"] if dep.startswith("pipeline/")]
        for name, entry in stages.items()
    }


def covers(dependency: str, file: str) -> bool:
    """Whether a dependency is this file, or a folder that holds it."""
    return file == dependency or file.startswith(dependency + "/")


def undeclared(root: Path, stage: str, modality: str, named: Iterable[str]) -> set[str]:
    """The files that a stage runs and that none of the named dependencies covers."""
    covering = [dep.replace(MODALITY, modality) for dep in named]
    return {
        file
        for file in files(root, reached(root, stage, modality))
        if not any(covers(dep, file) for dep in covering)
    }


def unreached(root: Path, stage: str, named: Iterable[str]) -> set[str]:
    """The named dependencies of which a stage runs nothing, whatever the modality."""
    run = {m: files(root, reached(root, stage, m)) for m in modalities(root)}
    return {
        dep
        for dep in named
        if not any(
            covers(place, file)
            for modality, used in run.items()
            for place in (dep.replace(MODALITY, modality),)
            for file in used
            if file == place or not file.endswith("__init__.py")
        )
    }


def rewrite(root: Path) -> None:
    """Write the derived code dependencies, leaving everything else in dvc.yaml as it is."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 200, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(root / "dvc.yaml")
    for stage, entry in content["stages"].items():
        deps = entry["deps"]
        others = [dep for dep in deps if not dep.startswith("pipeline/")]
        deps[:] = [*code_dependencies(root, stage), *others]
    yaml.dump(content, root / "dvc.yaml")
    for graph in root.glob("data/*/graph.yaml"):
        shutil.copyfile(root / "dvc.yaml", graph.with_name("dvc.yaml"))


if __name__ == "__main__":
    rewrite(Path.cwd())
