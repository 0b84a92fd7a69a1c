"""Who uses which module of `pipeline/`, read off the import graph; how full each folder is; which
tests stand beside no package.

An area is a stage, a modality, the service, onboarding or the flows. What only one area uses stands
in that area; what several use stands in a room of `pipeline/core/`.
"""

from collections import defaultdict
from pathlib import Path

from pipeline.core.paths import READING_ORDER
from tools.code_dependencies import import_graph

MAX_MODULES = 25
ONBOARDING = "onboarding"


def area(module: str) -> str:
    """`train` of `pipeline.train.loop.steps`, `flows` of `flows.cli.main`."""
    parts = module.split(".")
    return parts[0] if parts[0] == "flows" else parts[1] if len(parts) > 1 else ""


def users(root: Path) -> dict[str, set[str]]:
    """The areas that import each module of `pipeline.core`, directly or through other modules of
    it."""
    graph = import_graph(root)
    modules = {name for name in graph.modules if not graph.find_children(name)}
    found: dict[str, set[str]] = {name: set() for name in modules if area(name) == "core"}
    for name in modules - found.keys():
        waiting, seen = {name}, set[str]()
        while waiting:
            for used in graph.find_modules_directly_imported_by(waiting.pop()):
                if used in found and used not in seen:
                    seen.add(used)
                    waiting.add(used)
        for used in seen:
            found[used].add(area(name))
    return found


def misplaced(root: Path) -> dict[str, str]:
    """The modules of `pipeline.core` that belong to one area, by name.

    Onboarding proposes what stages are set to, so it may use their packages: a stage that shares a
    module with it alone owns it.
    """
    found = {}
    for module, areas in users(root).items():
        others = areas - {ONBOARDING}
        if len(areas) == 1 or (len(others) == 1 and others <= set(READING_ORDER)):
            found[module] = min(others or areas)
    return found


def trespasses(root: Path) -> set[tuple[str, str]]:
    """Imports of a stage's parts from outside of its package; its `stage` is open to flows."""
    graph = import_graph(root)
    return {
        (importer, module)
        for module in graph.modules
        if area(module) in READING_ORDER and module.count(".") > 1
        for importer in graph.find_modules_that_directly_import(module)
        if area(importer) not in (area(module), ONBOARDING)
        and not (module.endswith(".stage") and area(importer) == "flows")
    }


def crowded(root: Path) -> dict[str, int]:
    """The folders of `pipeline/` and `flows/` with more than 25 modules."""
    counts: dict[str, int] = defaultdict(int)
    for top in ("pipeline", "flows"):
        for file in (root / top).rglob("*.py"):
            counts[file.parent.relative_to(root).as_posix()] += file.name != "__init__.py"
    return {folder: count for folder, count in counts.items() if count > MAX_MODULES}


def unmirrored(root: Path) -> set[str]:
    """The folders of tests below tests/unit/ and tests/flows/ that mirror no package."""
    places = {"tests/unit": "pipeline", "tests/flows": "flows"}
    return {
        file.parent.relative_to(root).as_posix()
        for tests, package in places.items()
        for file in (root / tests).rglob("test_*.py")
        if not (root / package / file.parent.relative_to(root / tests)).is_dir()
    }
