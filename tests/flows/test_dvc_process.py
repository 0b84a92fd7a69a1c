"""What a waiting DVC process imports."""

import ast
import sys

from tests.flows.conftest import SOURCE


def test_a_dvc_process_imports_nothing_but_dvc_and_the_standard_library() -> None:
    tree = ast.parse((SOURCE / "flows" / "dvc_process.py").read_text(encoding="utf-8"))
    names = [
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    ]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    packages = {name.partition(".")[0] for name in names}
    assert packages - set(sys.stdlib_module_names) == {"dvc"}
