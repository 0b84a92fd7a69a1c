"""YAML that is changed in place: comments, quotes and layout stay as a person wrote them."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.util import load_yaml_guess_indent


def opened(text: str) -> tuple[YAML, Any]:
    """The content, to be changed, and what writes it in the layout of `text`."""
    _, indent, offset = load_yaml_guess_indent(text)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=indent or 4, offset=2 if offset is None else offset)
    return yaml, yaml.load(text)


def written(yaml: YAML, content: Any) -> str:
    """The content as text."""
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
