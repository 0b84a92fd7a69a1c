"""Lines of YAML as a person would write them, with comments where they belong."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH = 100
WORDS = ("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf")
"""What some readers of YAML take for something else than text."""
PLAIN = re.compile(r"[A-Za-zÀ-ÿ][\w.()/+%-]*( [\w.()/+%-]+)*")


def scalar(value: Any) -> str:
    """A value on one line; text is quoted unless nothing can take it for anything else."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def flow(value: Any) -> str:
    """A value on one line: `{a: 1, b: [x, y]}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def noted(line: str, comment: str, place: int = 0) -> list[str]:
    """A line with its comment behind it from column `place` on, or above it where both are long."""
    comment = one_line(comment)
    if not comment:
        return [line]
    if len(both := f"{line.ljust(place)}  # {comment}") <= WIDTH:
        return [both]
    indent = " " * (len(line) - len(line.lstrip()))
    return [*comment_lines(comment, indent), line]


def comment_lines(text: str, indent: str = "") -> list[str]:
    """A comment over as many lines as it needs."""
    lines, words = [], one_line(text).split(" ")
    line = f"{indent}#"
    for word in words:
        if len(line) + 1 + len(word) > WIDTH and line.strip() != "#":
            lines.append(line)
            line = f"{indent}#"
        line = f"{line} {word}"
    return [*lines, line]


def one_line(text: str) -> str:
    """Text without anything that could end its line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def block(value: Any, indent: str = "") -> list[str]:
    """A mapping or a list over several lines; what fits on one line stands on one."""
    if isinstance(value, Mapping):
        return [line for key, one in value.items() for line in entry(key, one, indent)]
    return [line for one in value for line in item(one, indent)]


def entry(key: str, value: Any, indent: str = "") -> list[str]:
    """`key: value`, or the value below its key where it does not fit."""
    line = f"{indent}{scalar(key)}: {flow(value)}"
    if len(line) <= WIDTH or not isinstance(value, Mapping | list | tuple) or not value:
        return [line]
    return [f"{indent}{scalar(key)}:", *block(value, indent + "  ")]


def item(value: Any, indent: str = "") -> list[str]:
    """One of a list; a mapping over several lines, its first key behind the dash."""
    if not isinstance(value, Mapping):
        return [f"{indent}- {flow(value)}"]
    lines = block(value, indent + "  ")
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]


def spare(lines: Iterable[str]) -> list[str]:
    """Lines as comments that a person may take in: the hash stands where the text begins."""
    return [f"{' ' * (len(line) - len(line.lstrip()))}# {line.lstrip()}" for line in lines]
