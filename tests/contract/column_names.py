"""Where code names a column of a project: a pipeline for any data set knows none."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.core.settings.columns import Columns

FOLDERS = ("pipeline", "flows")
NAMES_COLUMNS = ("select", "with_columns", "agg")
"""Methods whose keyword arguments are names of columns."""
TEMPLATES = (".j2", ".html")
EXEMPT_FILES = {
    "column_words.json": "the words of names by which columns of an unknown table get their role",
    "sensitive_names.json": "the list of names by which columns are suspected, with its source",
}
"""Data files that hold names of columns, by their name, each with the reason."""


def problems(root: Path, allowed: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Every place that names a column of a project under `data/`, as `file:line: 'name'`.

    Docstrings are aside. `allowed` has, by file and name, why a name may stand in a file as another
    thing than a column; a name in `pl.col` is a column all the same. What is allowed and no longer
    there is a problem, too, while a project has that column.
    """
    names, unused = column_names(root), set(allowed)
    for file in files(root):
        place = file.relative_to(root).as_posix()
        text = file.read_text(encoding="utf-8")
        found = in_template(text) if file.suffix in TEMPLATES else in_code(text, file.suffix)
        for line, name, is_column in found:
            if name not in names:
                continue
            if (place, name) in allowed and not is_column:
                unused.discard((place, name))
            else:
                yield f"{place}:{line}: {name!r}"
    for place, name in sorted(unused):
        if name in names:
            yield f"{place}: allowed, but not there: {name!r}"


def column_names(root: Path) -> set[str]:
    """The columns of all projects."""
    found: set[str] = set()
    for file in sorted((root / "data").glob("*/project.yaml")):
        section = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["columns"]
        found |= set(Columns.model_validate(section).all)
    return found


def files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            is_text = file.suffix in (".py", ".json", ".yaml", ".css", *TEMPLATES)
            if is_text and file.is_file() and file.name not in EXEMPT_FILES:
                yield file


Found = tuple[int, str, bool]
"""A line, a name, and whether it can be nothing but a column."""


def in_code(source: str, suffix: str = ".py") -> Iterator[Found]:
    """String literals; in code also the arguments and attributes that name a table's columns."""
    if suffix != ".py":
        for number, line in enumerate(source.splitlines(), start=1):
            yield from ((number, text, False) for text in re.findall(r'"([^"]*)"', line))
        return
    tree, ignored = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            ignored.add(id(node.value))  # a docstring
        if isinstance(node, ast.Call) and _is_column(node.func):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    ignored.add(id(argument))
                    yield argument.lineno, argument.value, True
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in NAMES_COLUMNS:
            yield from ((node.lineno, one.arg, True) for one in node.keywords if one.arg)
        if isinstance(node, ast.Attribute) and _is_column(node.value):
            yield node.lineno, node.attr, True
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in ignored
        ):
            yield node.lineno, node.value.strip(), False


def _is_column(function: ast.expr) -> bool:
    """Whether it is `pl.col` or `nw.col`."""
    return isinstance(function, ast.Attribute) and function.attr == "col"


def in_template(source: str) -> Iterator[Found]:
    """Quoted texts, and the names after a dot in expressions: `row["…"]`, `row.…`."""
    for number, line in enumerate(source.splitlines(), start=1):
        for first, second in re.findall(r"\"([^\"]*)\"|'([^']*)'", line):
            yield number, first or second, False
        for expression in re.findall(r"\{[{%].*?[%}]\}", line):
            yield from ((number, name, False) for name in re.findall(r"\.([^\W\d]\w*)", expression))
