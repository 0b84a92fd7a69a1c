"""Whether a JSON text names a key twice in one object: readers differ in which of them counts.

orjson takes the last without a word. Every key has a colon, so when a body has no more colons than
keys were read, none was lost; only else is it read once more, by a slower reader that sees all.
"""

import json
from typing import Any

from pipeline.service.http import Refusal

MAX_SHOWN = 80


class Pairs(list[tuple[str, Any]]):
    """An object's keys and values, as they stand in the text."""


def check_keys(body: bytes, content: Any) -> None:
    """Refuse an object that names a key twice: which of the values is meant cannot be known."""
    try:
        found = repeated_key(body, content)
    except RecursionError:
        raise Refusal(400, "not_rows", "expected rows, got brackets within brackets") from None
    if found is None:
        return
    key, path = found
    where = f"{path}.{key}" if path else key
    raise Refusal(
        400,
        "repeated_key",
        f"expected each key once in an object, got {where} twice",
        [{"row": row_of(path), "field": where, "expected": "this key once", "found": "it twice",
          "hint": f"leave one {key} out"}],
    )  # fmt: skip


def row_of(path: str) -> int:
    """The number of the row that a path leads into; 0 where the request is one row."""
    number = path.removeprefix("[").partition("]")[0]
    return int(number) if path.startswith("[") else 0


def repeated_key(body: bytes, content: Any) -> tuple[str, str] | None:
    """The first key that an object names twice, and the path of that object; None without one.

    Args:
        body: A JSON text.
        content: What it was read as.

    Raises:
        RecursionError: it is nested too deeply for the slower reader.
    """
    rows = content if isinstance(content, list) else [content]
    num_keys = sum(len(row) for row in rows if type(row) is dict)
    if body.count(b":") == num_keys:
        return None
    # The sizes of numbers do not matter here.
    read = json.loads(body, object_pairs_hook=Pairs, parse_int=str, parse_float=str)
    found = _first(read)
    if found is None:
        return None
    key, steps = found
    return key, "".join(reversed(steps)).removeprefix(".")


def _first(content: Any) -> tuple[str, list[str]] | None:
    """The first in the order of the text, and the steps to it, the innermost first.

    A path is not built on the way there: a large body has many, and long ones.
    """
    if isinstance(content, Pairs):
        seen: set[str] = set()
        for key, value in content:
            if key in seen:
                return key[:MAX_SHOWN], []
            seen.add(key)
            if isinstance(value, list) and (found := _first(value)):
                found[1].append(f".{key[:MAX_SHOWN]}")
                return found
    elif isinstance(content, list):
        for place, value in enumerate(content):
            if isinstance(value, list) and (found := _first(value)):
                found[1].append(f"[{place}]")
                return found
    return None
