"""What is wrong with a settings file, in words: where, what was expected, what was found, a hint.

pydantic and YAML say it for whoever wrote the program; these are the words for whoever wrote the
file.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipeline.core.errors import ProjectError

MAX_SHOWN = 60


class Unsuitable(ValueError):
    """What a validator of settings raises to give a hint as well."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def nearest(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """A hint that names the known word nearest to `name`, or lists what is known."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    if match:
        return f"did you mean `{match[0]}`?"
    return f"known are: {', '.join(known)}" if known else ""


def worded(problem: Mapping[str, Any], where: str) -> tuple[str, str]:
    """One of pydantic's problems with a value, as message and hint; the hint may be empty.

    Args:
        problem: As `ValidationError.errors()` lists it; neither an unknown key nor a missing one.
        where: The dotted key.
    """
    kind, value = str(problem["type"]), problem["input"]
    context = problem.get("ctx", {})
    if kind == "value_error":
        return f"{where}: {context['error']}", getattr(context["error"], "hint", "")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _of_a_kind(where, context)
    if kind == "literal_error":
        choices = tuple(re.findall(r"'([^']*)'", context["expected"]))
        message = f"{where}: expected {_either(choices)}, got {shown(value)}"
        return message, nearest(value, choices) if isinstance(value, str) else ""
    for known, expected, hinted in _WORDS:
        if re.fullmatch(known, kind):
            expected = expected.format(**context)
            return f"{where}: expected {expected}, got {shown(value)}", hinted(where, value)
    return f"{where}: {problem['msg']}, got {shown(value)}", ""


def shown(value: Any) -> str:
    """A value as its file has it, short; of a list or mapping only what it is."""
    if isinstance(value, Mapping):
        return "`key: value` lines"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def yaml_problem(source: Path, error: YAMLError | UnicodeDecodeError, text: str) -> ProjectError:
    """Why a file is no YAML, with the line and what to do.

    Args:
        source: What messages call the file.
        error: What reading it raised.
        text: The file's content, where it is text.
    """
    if isinstance(error, UnicodeDecodeError):
        return _other_bytes(source, error)
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ProjectError(
            f"{source}: expected YAML, got: {str(error).splitlines()[0]}",
            hint=f"`git diff {source}` shows what changed",
        )
    found, hint = _yaml_words(
        str(getattr(error, "problem", "")), text.splitlines()[mark.line : mark.line + 1]
    )
    return ProjectError(
        f"{source}: line {mark.line + 1}: {found}",
        hint=hint or f"look at this line and the one before; `git diff {source}` shows the change",
    )


def json_problem(source: str, error: json.JSONDecodeError | UnicodeDecodeError) -> ProjectError:
    """Why a file is no JSON, with the line and what to do; `source` is what messages call it."""
    if isinstance(error, UnicodeDecodeError):
        return _other_bytes(source, error)
    if not error.doc.strip():
        found, hint = "found an empty file", f"`git checkout {source}` restores it"
    else:
        found = f"line {error.lineno}, column {error.colno}: {error.msg[0].lower()}{error.msg[1:]}"
        hint = (
            "a comma after a last entry, a missing comma, quote or bracket are the usual causes; "
            f"`git diff {source}` shows what changed"
        )
    return ProjectError(f"{source}: expected JSON, {found}", hint=hint)


def _other_bytes(source: Path | str, error: UnicodeDecodeError) -> ProjectError:
    line = error.object[: error.start].count(b"\n") + 1
    return ProjectError(
        f"{source}: line {line}: expected text in UTF-8, found other bytes",
        hint="save the file as UTF-8 in your editor",
    )


def _yaml_words(problem: str, lines: list[str]) -> tuple[str, str]:
    if twice := re.search(r'duplicate key "([^"]*)"', problem):
        return f"expected the key `{twice[1]}` once, found it again", "remove one of the two"
    if lines and "\t" in re.match(r"\s*", lines[0])[0]:  # type: ignore[index] # always matches
        return "expected blanks before a key, found a tab", "indent with blanks: YAML takes no tabs"
    if "mapping values are not allowed" in problem:
        return (
            "expected `key: value`, found a `:` that does not belong to a key",
            "keys of one section begin in the same column; a blank follows a key's `:`, also in "
            "the line before; text with a `: ` in it needs quotes",
        )
    return f"expected YAML: {problem}", ""


def _of_a_kind(where: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """An entry of a list of several kinds, whose key that chooses one is wrong or absent."""
    key = str(context["discriminator"]).strip("'")
    if "tag" not in context:
        return f"expected the key `{where}.{key}`, which says the kind of entry, found none", ""
    choices = tuple(re.findall(r"'([^']*)'", context["expected_tags"]))
    message = f"{where}.{key}: expected {_either(choices)}, got {context['tag']!r}"
    return message, nearest(str(context["tag"]), choices)


def _either(choices: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def _for_number(where: str, value: Any) -> str:
    if not isinstance(value, str):
        return ""
    text, key = value.strip(), where.rpartition(".")[2]
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return f"write it without quotes: `{key}: {text}`"
    if re.fullmatch(r"\d+(\.\d+)? ?%", text):
        return f"write it without the sign, as a share: `{key}: {float(text.rstrip(' %')) / 100:g}`"
    return ""


def _for_share(_: str, value: Any) -> str:
    is_percent = isinstance(value, int | float) and 1 < value <= 100
    return f"{value:g} percent is written {value / 100:g}" if is_percent else ""


def _for_text(where: str, value: Any) -> str:
    if value is None or isinstance(value, Mapping | list):
        return ""
    return f'write it in quotes: `{where.rpartition(".")[2]}: "{shown(value)}"`'


def _for_list(where: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return "begin each entry with `- `"
    return f"write `{where.rpartition('.')[2]}: [{value}]`" if value is not None else ""


def _for_mapping(where: str, value: Any) -> str:
    if isinstance(value, list | tuple) and value:
        return f"write a line `{value[0]}: …` for each below `{where.rpartition('.')[2]}:`"
    return ""


def _nothing(_: str, __: Any) -> str:
    return ""


_WORDS: tuple[tuple[str, str, Callable[[str, Any], str]], ...] = (
    (r"int_.*", "a whole number", _for_number),
    (r"float_.*", "a number", _for_number),
    (r"finite_number", "a finite number", _nothing),
    (r"string_type", "text", _for_text),
    (r"bool_.*", "true or false", _nothing),
    (r"greater_than_equal", "at least {ge:g}", _nothing),
    (r"greater_than", "more than {gt:g}", _nothing),
    (r"less_than_equal", "at most {le:g}", _for_share),
    (r"less_than", "less than {lt:g}", _for_share),
    (r"(tuple|list|set)_type", "a list", _for_list),
    (r"(dict|mapping|model|model_attributes)_type", "`key: value` lines", _for_mapping),
    (r"string_too_short", "some text", _nothing),
    (r"too_short", "at least {min_length} in it", _nothing),
    (r"string_pattern_mismatch", "other text", _nothing),
)
"""pydantic's names of problems, what was expected, and how its hint is made."""
