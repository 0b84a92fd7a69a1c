"""The keys of `project.yaml`, one by one, read off its JSON Schema: type, default, unit, range.

A number says what it counts: by its name (`num_`, `_s`, `_bytes`, …), by a `unit` of its field, or
not at all where it is a pure number: a share or probability within 0 and 1, or a seed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

LIMITS = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"),
    ("minLength", "at least {} character"),
    ("minItems", "at least {} entry"),
    ("minProperties", "at least {} entry"),
    ("pattern", "matches {}"),
)
UNIT_ENDINGS = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_gb": "10⁹ bytes",
    "_bytes": "bytes",
    "_rows": "rows",
    "_lines": "lines",
    "_size": "rows",
    "_count": "rows",
    "_depth": "columns",
    "epochs": "epochs",
    "_width": "dimensions",
}
PURE_NUMBERS = ("seed",)
MODALITY = "x-modality"
"""Marks, in the schema, the keys that one kind of data has."""
ENTRY, NAME = "N", "NAME"
"""What stands in a dotted key for an entry's position in a list, and for a key that people choose;
errors show the position itself: `gate.rules.0.at_most`."""


@dataclass(frozen=True)
class Key:
    """One key of the file.

    Attributes:
        name: Dotted, its section first.
        type: In words.
        default: As YAML has it; None where the key must be given or holds keys of its own.
        required: Whether it must be given.
        unit: What a number counts; empty for pure numbers and what is no number.
        limits: The values that are allowed, beyond the type.
        meaning: One sentence or two.
        modality: The kind of data that has this key; empty where all have it.
    """

    name: str
    type: str
    default: str | None
    required: bool
    unit: str
    limits: str
    meaning: str
    modality: str = ""

    @property
    def is_number(self) -> bool:
        named = re.search(r"\b(integer|number)s?\b|\b(text|one of)\b", self.type)
        return bool(named and named[1])

    @property
    def is_pure(self) -> bool:
        """A number that needs no unit: a share, a probability, or a seed."""
        last = self.name.rpartition(".")[2]
        within = {"≥ 0", "> 0", "> 0.5", "≥ 0.5", "≥ 0.8", "≥ 0.9"}, {"≤ 1", "< 1"}
        found = set(self.limits.split(", "))
        return last in PURE_NUMBERS or all(found & limits for limits in within)


def keys_of(schema: Mapping[str, Any], section: str) -> list[Key]:
    """The keys of one section, nested ones after the key that holds them."""
    return list(_below(schema, schema["properties"][section], section))


def _below(schema: Mapping[str, Any], node: Mapping[str, Any], name: str) -> Iterator[Key]:
    node = _resolved(schema, node)
    for key, field in node.get("properties", {}).items():
        if "const" not in field:  # the word that chooses a kind of entry; `_entries` shows it
            yield from _key(schema, field, f"{name}.{key}", key in node.get("required", ()))


def _key(
    schema: Mapping[str, Any], field: Mapping[str, Any], name: str, required: bool
) -> Iterator[Key]:
    node, _ = _without_null(_resolved(schema, field))
    yield Key(
        name=name,
        type=_type(schema, field),
        default=written(field["default"]) if "default" in field else None,
        required=required,
        unit=_unit(name, field, node),
        limits=_limits(node),
        meaning=field.get("description", ""),
    )
    yield from _below(schema, node, name)
    for kind in node.get("anyOf", ()):
        if modality := kind.get(MODALITY):
            yield from (replace(key, modality=modality) for key in _below(schema, kind, name))
    yield from _entries(schema, node.get("items"), f"{name}.{ENTRY}")
    yield from _entries(schema, node.get("additionalProperties"), f"{name}.{NAME}")


def _entries(schema: Mapping[str, Any], entry: Any, name: str) -> Iterator[Key]:
    """The keys of a list's or mapping's entries; of each kind, where there are several."""
    if not isinstance(entry, Mapping):
        return
    for kind in entry.get("oneOf", ()):
        node = _resolved(schema, kind)
        choosing, word = next(
            (key, f["const"]) for key, f in node["properties"].items() if "const" in f
        )
        yield Key(
            f"{name}.{word}",
            f"entry with `{choosing}: {word}`",
            None,
            False,
            "",
            "",
            " ".join(node.get("description", "").split()),
        )
        yield from _below(schema, node, f"{name}.{word}")
    yield from _below(schema, entry, name)


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        return {**schema["$defs"][node["$ref"].rpartition("/")[2]], **node}
    return node


def _without_null(node: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """A field that may be empty, as what it is when it is not."""
    kinds = [one for one in node.get("anyOf", ()) if one != {"type": "null"}]
    nullable = len(kinds) < len(node.get("anyOf", ()))
    return ({**node, **kinds[0]}, nullable) if len(kinds) == 1 else (node, nullable)


def _type(schema: Mapping[str, Any], field: Mapping[str, Any], many: bool = False) -> str:
    node, nullable = _without_null(_resolved(schema, field))
    return _type_of(schema, node, many) + (" or null" if nullable else "")


def _type_of(schema: Mapping[str, Any], node: Mapping[str, Any], many: bool) -> str:
    if "const" in node:
        return str(node["const"])
    if "enum" in node:
        return f"one of {', '.join(map(written, node['enum']))}"
    if "anyOf" in node:
        words = [_type(schema, one) for one in node["anyOf"] if one != {"type": "null"}]
        return " or ".join(dict.fromkeys(words))
    if "oneOf" in node or "properties" in node:
        return "entries" if many else "keys below"
    plural = "s" if many else ""
    if node.get("type") == "array":
        return f"list of {_type(schema, node['items'], many=True)}"
    if node.get("type") == "object":
        return f"mapping of names to {_type(schema, node['additionalProperties'], many=True)}"
    plain = {"string": f"text{plural}", "boolean": "true or false"}
    return plain.get(str(node["type"]), f"{node['type']}{plural}")


def _limits(node: Mapping[str, Any]) -> str:
    found = [text.format(node[key]) for key, text in LIMITS if key in node]
    inner = node.get("items", {})
    if isinstance(inner, Mapping) and inner.get("type") in ("integer", "number"):
        found += [f"each {text.format(inner[key])}" for key, text in LIMITS if key in inner]
    return ", ".join(found)


def _unit(name: str, field: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    if "unit" in field:
        return str(field["unit"])
    inner = node.get("items", node)
    if inner.get("type") not in ("integer", "number"):
        return ""
    last = name.rpartition(".")[2]
    if last.startswith("num_"):
        return last.removeprefix("num_").replace("_", " ")
    return next((unit for ending, unit in UNIT_ENDINGS.items() if last.endswith(ending)), "")


def written(value: Any) -> str:
    """A value as YAML has it, on one line; text is quoted only where it could be something else."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w. -]*", value)
    return value if plain else json.dumps(value, ensure_ascii=False)
