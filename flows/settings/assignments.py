"""Values as `--set` reads them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML


def as_yaml(value: Any) -> str:
    """A value on one line, as `--set` reads it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_yaml(one) for one in value) + "]"
    if isinstance(value, str):
        bare = re.fullmatch(r"[A-Za-z_][\w -]*", value) and YAML(typ="safe").load(value) == value
        return value if bare else json.dumps(value, ensure_ascii=False)
    text = json.dumps(value)
    exponent = isinstance(value, float) and "e" in text and "." not in text
    return text.replace("e", ".0e") if exponent else text  # YAML takes 1e-05 for text
