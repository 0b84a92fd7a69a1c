"""One more project in params.yaml, with every comment where it was."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import ProjectError


def params_with(root: Path, name: str, modality: str) -> str:
    """The text of params.yaml with one more project, everything else as it stands.

    The lines go behind the last project's last one: a comment that follows belongs to what it
    stands above.
    """
    source = root / "params.yaml"
    text = source.read_text(encoding="utf-8")
    content = YAML().load(text)
    listed = content["projects"]
    if name in listed:
        return text
    last = _last_line(listed)
    column = listed.lc.col
    lines = text.splitlines(keepends=True)
    indent = " " * column
    new = [f"{indent}{name}:\n", f"{indent}  modality: {modality}\n"]
    if lines and not lines[last].endswith("\n"):
        lines[last] += "\n"
    changed = "".join([*lines[: last + 1], *new, *lines[last + 1 :]])
    expected = YAML(typ="safe").load(text)
    expected["projects"][name] = {"modality": modality}
    try:
        is_right = YAML(typ="safe").load(changed) == expected
    except YAMLError:
        is_right = False
    if not is_right:
        raise ProjectError(
            "params.yaml: expected one project below the other under `projects`, found another "
            "form",
            hint=f"add it by hand, then run this again: `{name}: {{modality: {modality}}}`",
        )
    return changed


def _last_line(node: Any) -> int:
    """The number of the last line that a mapping has a key or a value on."""
    last: int = node.lc.line
    for key, (line, _, value_line, _) in (node.lc.data or {}).items():
        last = max(last, line, value_line)
        if hasattr(node[key], "lc"):
            last = max(last, _last_line(node[key]))
    return last
