"""The edit of project.yaml that goes with a renamed, a missing or a new column."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from pipeline.core.settings.kept_yaml import opened, written

ROLES = ("numeric", "categorical", "dates", "sensitive")
NOTES = '"meta":'
PROSE = ("about",)
NO_ROLE = "new in a delivery: nobody has given it a role yet"


def edited(source: Path, kind: str, columns: tuple[str, ...]) -> str:
    """The file's text with the change; as it is where nothing in it needs one."""
    text = source.read_text(encoding="utf-8")
    yaml, content = opened(text)
    before = written(yaml, content)
    if kind == "renamed_column":
        for name in [key for key in content if key not in PROSE]:
            content[name] = _renamed(content[name], *columns)
    elif kind == "new_column":
        _drop(content["columns"])[columns[0]] = NO_ROLE
    elif kind == "missing_column":
        _take_out(content["columns"], columns[0])
    after = written(yaml, content)
    return text if after == before else after


def _renamed(content: Any, old: str, new: str) -> Any:
    """The same with one name for another, as a value or a key; comments and order stay."""
    if isinstance(content, CommentedMap):
        for place, key in enumerate(list(content)):
            value = _renamed(content[key], old, new)
            if key == old:
                content.pop(key)
                content.insert(place, new, value)
            else:
                content[key] = value
        return content
    if isinstance(content, list):
        for place, value in enumerate(content):
            content[place] = _renamed(value, old, new)
        return content
    return new if content == old else content


def _drop(columns: CommentedMap) -> Any:
    if columns.get("drop") is None:
        columns["drop"] = CommentedMap()
    return columns["drop"]


def _take_out(columns: CommentedMap, name: str) -> None:
    for role in ROLES:
        if name in (columns.get(role) or ()):
            columns[role].remove(name)
    for key in ("drop", "missing", "sensitive_edges"):
        if name in (columns.get(key) or ()):
            del columns[key][name]


def shortened(before: str, after: str) -> Iterator[str]:
    """The lines that differ, `-` and `+`, long ones cut to where they do; of notes none, which say
    no more than what was accepted."""
    import difflib

    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "equal":
            continue
        for place in range(max(last - first, end - start)):
            gone = old[first + place] if first + place < last else None
            come = new[start + place] if start + place < end else None
            if gone == come or (come or "").lstrip().startswith(NOTES):
                continue
            if gone is not None:
                yield f"- {_cut(gone, come or '')}"
            if come is not None:
                yield f"+ {_cut(come, gone or '')}"


def _cut(line: str, other: str, around: int = 50) -> str:
    """The part of a long line that differs from the other, with what is around it."""
    line, other = line.strip(), other.strip()
    if len(line) <= 3 * around:
        return line
    shortest = min(len(line), len(other))
    start = next((i for i in range(shortest) if line[i] != other[i]), shortest)
    same = next((i for i in range(shortest - start) if line[-1 - i] != other[-1 - i]), 0)
    first, last = max(0, start - around), min(len(line), max(len(line) - same, start) + around)
    last = min(last, first + 5 * around)
    return f"{'… ' if first else ''}{line[first:last]}{' …' if last < len(line) else ''}"
