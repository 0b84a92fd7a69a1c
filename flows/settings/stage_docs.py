"""What each stage says of itself: its docstring, read and not run."""

import ast
from pathlib import Path

import pipeline


def docstring(stage: str) -> str:
    """The docstring of a stage's module."""
    module = Path(pipeline.__file__).parent / stage / "stage.py"
    return ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
