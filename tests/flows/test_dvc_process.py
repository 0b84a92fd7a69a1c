"""What a waiting DVC process imports."""

import ast
import sys

from tests.flows.conftest import SOURCE


def test_a_dvc_process_imports_nothing_but_dvc_and_the_standard_library() -> None:
    assert imported("dvc_process") - set(sys.stdlib_module_names) == {"dvc", "flows.orphans"}
    assert imported("orphans") <= set(sys.stdlib_module_names)


def imported(module: str) -> set[str]:
    """What a module of flows imports: packages by their first word, ours by their whole name."""
    tree = ast.parse((SOURCE / "flows" / f"{module}.py").read_text(encoding="utf-8"))
    names = [
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    ]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name if name.startswith("flows") else name.partition(".")[0] for name in names}
