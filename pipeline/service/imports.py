"""`python -m pipeline.service.imports FOLDER`: what the service imports, found by letting it work.

Starts the service on a bento's source folder in this process, answers its example, and prints as
JSON the modules of ours that it loaded and the packages of others that these import.
"""

import ast
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

OURS = "pipeline"


def main(folder: Path) -> dict[str, Any]:
    """The modules of `pipeline` and the distributions that serving from `folder` takes."""
    from prometheus_client import CollectorRegistry

    import pipeline.service.entry

    application = pipeline.service.entry.app
    application.start(folder, registry=CollectorRegistry(), freeze=False)
    application.metrics.exposition()
    apart = {"__main__", __name__}
    modules = sorted(
        name for name in sys.modules if name.split(".")[0] == OURS and name not in apart
    )
    files = [Path(str(sys.modules[name].__file__)) for name in modules]
    named = {top for file in files for top in imported(file)}
    others = sorted(named & set(sys.modules) - set(sys.stdlib_module_names) - {OURS})
    known = importlib.metadata.packages_distributions()
    return {
        "modules": modules,
        "distributions": sorted({one for name in others for one in known.get(name, ())}),
    }


def imported(file: Path) -> set[str]:
    """The first words of all that a module's file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
