"""The data contract's file: two parts, `delivered` and `prepared`, each a suite of expectations.

What each expectation checks is `expectations`' business; this module loads without it.
"""

import json
from pathlib import Path
from typing import Any

from pipeline.core.errors import ProjectError
from pipeline.core.project import nearest

PARTS = ("delivered", "prepared")
SEVERITIES = ("critical", "warning")


def load_contract(source: Path, name: str) -> dict[str, Any]:
    """Read a contract; `name` is what messages call the file.

    Raises:
        ProjectError: the file is absent, is not JSON, lacks a part, or an expectation in it has no
            type, no severity that we know, or no sentence on why it is there.
    """
    try:
        contract = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(
            f"expected the data contract {name}, found none",
            hint="write one with the parts `delivered` and `prepared`, each a suite of "
            "expectations; data/adult/contract.json is an example",
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(
            f"{name}: expected JSON, reading it failed: {error}",
            hint=f"`python -m json.tool {name}` shows where",
        ) from None
    if not isinstance(contract, dict):
        raise ProjectError(f"{name}: expected the keys {' and '.join(PARTS)}, got no mapping")
    for key in contract:
        if key not in PARTS:
            raise ProjectError(f"{name}: unknown key `{key}`", hint=nearest(str(key), PARTS))
    for part in PARTS:
        _check_part(contract, part, name)
    return contract


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
            hint=f"add the part `{part}`; data/adult/contract.json is an example",
        )
    for number, entry in enumerate(entries):
        where = f"{name}: {part}.expectations[{number}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ProjectError(
                f"{where}: expected the key `type`, found none",
                hint="name an expectation, for instance expect_column_values_to_be_in_set",
            )
        if entry.get("severity") not in SEVERITIES:
            raise ProjectError(
                f"{where}.severity: expected {' or '.join(SEVERITIES)} for {entry['type']}, "
                f"got {entry.get('severity')!r}",
                hint=nearest(str(entry.get("severity")), SEVERITIES),
            )
        notes = (entry.get("meta") or {}).get("notes")
        if not isinstance(notes, str) or not notes.strip():
            raise ProjectError(
                f"{where}.meta.notes: expected a sentence on why {entry['type']} is there, "
                f"got {notes!r}",
                hint='write "meta": {"notes": "…"}: the report shows it to whoever meets a breach',
            )
