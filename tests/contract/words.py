"""Where a file calls a model or data "fair", "unbiased" or "debiased", titles of sources aside."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

WORDS = re.compile(r"\b(fair|un-?biased|de-?biased)\b", re.IGNORECASE)
FOLDERS = ("pipeline", "flows", "docs")
FILES = ("data/*/project.yaml", "README.md", "CHANGELOG.md")
SOURCES = "## Sources"
"""Under this heading each item of a list is a title with its authors."""
YEAR_FOLLOWS = re.compile(r"[^.]*\b(19|20)\d\d\b")
"""The word stands in a title: its sentence goes on to the year of publication."""


def problems(root: Path, allowed: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Every line that has one of the words and is no citation, as `file:line: text`.

    Args:
        root: Of the repository.
        allowed: By file and whole line, why the line may have the word. A line that no longer
            stands there is a problem, too.
    """
    unused = set(allowed)
    for file in files(root):
        name = file.relative_to(root).as_posix()
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        if not any(map(WORDS.search, lines)):
            continue
        cited = citations(name, lines)
        for number, line in enumerate(lines, start=1):
            if not WORDS.search(line) or number in cited:
                continue
            if (name, line.strip()) in allowed:
                unused.discard((name, line.strip()))
            else:
                yield f"{name}:{number}: {line.strip()}"
    for name, line in sorted(unused):
        yield f"{name}: allowed, but not there: {line}"


def files(root: Path) -> Iterator[Path]:
    """What a reader or a user may see, in order."""
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file
    for pattern in FILES:
        yield from sorted(root.glob(pattern))


def citations(name: str, lines: list[str]) -> set[int]:
    """The numbers of the lines whose words all stand in titles of sources."""
    if name == "docs/fairness.md" and SOURCES in lines:
        start = lines.index(SOURCES) + 1
        items = enumerate(lines[start:], start=start + 1)
        return {number for number, line in items if line.startswith("- ")}
    if not name.endswith(".py"):
        return set()
    return {
        number
        for first, docstring in docstrings("\n".join(lines))
        for number in _cited(docstring, first)
    }


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Strings that stand alone, as docstrings do: the number of their first line, their text."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if isinstance(node.value.value, str):
            yield node.lineno, ast.get_source_segment(source, node.value) or ""


def _cited(docstring: str, first: int) -> Iterator[int]:
    for paragraph in re.finditer(r"(?:[^\n]*\S[^\n]*(?:\n|$))+", docstring):
        text = paragraph.group()
        is_source = text.strip(' "\n').startswith("Source")
        free: dict[int, bool] = {}
        for word in WORDS.finditer(text):
            number = first + docstring.count("\n", 0, paragraph.start() + word.start())
            cited = is_source or YEAR_FOLLOWS.match(text, word.end()) is not None
            free[number] = free.get(number, True) and cited
        yield from (number for number, all_cited in free.items() if all_cited)
