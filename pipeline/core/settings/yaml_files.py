"""YAML files that people write: a mapping of keys, or an error that says how to come by one."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import ProjectError
from pipeline.core.settings.problems import shown, yaml_problem


def read_yaml(root: Path, source: Path) -> dict[str, Any]:
    """Read a YAML mapping; `source` is relative to `root` and named so in messages."""
    text = ""
    try:
        text = (root / source).read_text(encoding="utf-8")
        content = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise ProjectError(f"expected the file {source}, found none", _restored(source)) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise yaml_problem(source, error, text) from None
    if not isinstance(content, dict):
        found = "an empty file" if content is None else shown(content)
        raise ProjectError(
            f"{source}: expected `key: value` lines, found {found}", _restored(source)
        )
    return content


def _restored(source: Path) -> str:
    """How to come by a file that is not there, or is not what it was."""
    back = f"`git checkout {source}` restores a file that git knows"
    if source.name != "project.yaml":
        return back
    new = f"`hallmark init FILE --target COLUMN --name {source.parent.name}` writes one"
    return f"{new}; {back}"
