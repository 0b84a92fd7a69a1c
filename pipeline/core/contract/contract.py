"""The data contract's file: two parts, `delivered` and `prepared`, each a suite of expectations.

What each expectation checks is `expectations`' business; this module loads without it.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.core.errors import ProjectError
from pipeline.core.settings.problems import json_problem, nearest, shown

PARTS = ("delivered", "prepared")
SINGLE = ("column", "column_A", "column_B")
SEVERAL = ("column_list", "column_set")
ENTRY_KEYS = ("type", "kwargs", "severity", "meta")
SEVERITIES = ("critical", "warning")
EXAMPLES = "docs/bring-your-data.md names an example for tables, images and texts"


def load_contract(source: Path, name: str) -> dict[str, Any]:
    """Read a contract; `name` is what messages call the file.

    Raises:
        ProjectError: the file is absent, is not JSON, lacks a part, or an expectation in it has no
            type, no severity that we know, or no sentence on why it is there.
    """
    try:
        text = source.read_text(encoding="utf-8")
        contract = json.loads(text, object_pairs_hook=partial(_each_once, name))
    except FileNotFoundError:
        raise ProjectError(
            f"expected the data contract {name}, found none",
            hint="write one with the parts `delivered` and `prepared`, each a suite of "
            f"expectations; {EXAMPLES}",
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise json_problem(name, error) from None
    if not isinstance(contract, dict):
        raise ProjectError(
            f"{name}: expected the keys {' and '.join(PARTS)}, found {shown(contract)}",
            hint=EXAMPLES,
        )
    for key in contract:
        if key not in PARTS:
            raise ProjectError(f"{name}: unknown part `{key}`", hint=nearest(str(key), PARTS))
    for part in PARTS:
        _check_part(contract, part, name)
    return contract


def _each_once(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refused where a key stands in it twice: the first would be lost."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ProjectError(
                f"{name}: expected the key `{key}` once in its place, found it again",
                hint="remove or rename one of the two",
            )
    return dict(pairs)


def check_named_columns(contract: dict[str, Any], known: Sequence[str], name: str) -> None:
    """Refuse a contract on columns that neither the project nor the delivery has: slips of the pen,
    or the contract of another project.

    Raises:
        ProjectError: an expectation names another column; all such are told, each with its place.
    """
    unknown = [
        (f"{part}.expectations[{number}].kwargs.{key}", column)
        for part in PARTS
        for number, entry in enumerate(contract[part]["expectations"])
        for key, column in _named(entry.get("kwargs") or {})
        if column not in known
    ]
    if len(unknown) == 1:
        ((place, column),) = unknown
        raise ProjectError(
            f"{name}: {place}: expected a column that project.yaml names, got {column!r}",
            hint=nearest(column, tuple(known)),
        )
    if unknown:
        raise ProjectError(
            f"{name}: expected columns that project.yaml names, found others in {len(unknown)} "
            "places",
            findings=[f"{place}: {column!r}{_alike(column, known)}" for place, column in unknown],
            hint=f"known are: {', '.join(known)}",
        )


def _named(kwargs: dict[str, Any]) -> list[tuple[str, str]]:
    """The columns that an expectation names, each with the argument that names it."""
    found = [(key, kwargs[key]) for key in SINGLE if isinstance(kwargs.get(key), str)]
    return found + [(key, column) for key in SEVERAL for column in kwargs.get(key) or ()]


def _alike(name: str, known: Sequence[str]) -> str:
    hint = nearest(name, tuple(known))
    return f", {hint}" if hint.endswith("?") else ""


def contract_text(contract: dict[str, Any]) -> str:
    """A contract as its file has it: one line for each key of an expectation, so that a change of
    one limit is one line of a diff."""
    parts = []
    for part in PARTS:
        suite = contract[part]
        entries = ",\n".join(_entry_text(entry) for entry in suite["expectations"])
        others = [
            f"    {_line(key)}: {_line(value)},\n"
            for key, value in suite.items()
            if key != "expectations"
        ]
        expectations = f'    "expectations": [\n{entries}\n    ]\n'
        parts.append(f"  {_line(part)}: {{\n{''.join(others)}{expectations}  }}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _entry_text(entry: dict[str, Any]) -> str:
    lines = [f"        {_line(key)}: {_line(value)}" for key, value in entry.items()]
    return "      {\n" + ",\n".join(lines) + "\n      }"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _check_part(contract: dict[str, Any], part: str, name: str) -> None:
    suite = contract.get(part)
    entries = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ProjectError(
            f'{name}: {part}: expected a suite, `{{"name": …, "expectations": […]}}`, '
            "with at least one expectation, found none",
            hint=f"add the part `{part}`; {EXAMPLES}",
        )
    for number, entry in enumerate(entries):
        where = f"{name}: {part}.expectations[{number}]"
        for key in entry if isinstance(entry, dict) else ():
            if key not in ENTRY_KEYS:
                raise ProjectError(f"{where}: unknown key `{key}`", nearest(str(key), ENTRY_KEYS))
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ProjectError(
                f"{where}: expected the key `type`, found none",
                hint="name an expectation, for instance expect_column_values_to_be_in_set",
            )
        if entry.get("severity") not in SEVERITIES:
            raise ProjectError(
                f"{where}.severity: expected {' or '.join(SEVERITIES)} for {entry['type']}, "
                f"got {shown(entry.get('severity'))}",
                hint=nearest(str(entry.get("severity")), SEVERITIES),
            )
        notes = (entry.get("meta") or {}).get("notes")
        if not isinstance(notes, str) or not notes.strip():
            raise ProjectError(
                f"{where}.meta.notes: expected a sentence on why {entry['type']} is there, "
                f"got {shown(notes)}",
                hint='write "meta": {"notes": "…"}: the report shows it to whoever meets a breach',
            )
