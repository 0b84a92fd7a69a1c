"""What `hallmark init` was asked and what it wrote: `data/<project>/init.json`.

By it the same call finds nothing to do, and a person's edits are seen before anything is
overwritten.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.init.request import Wanted
from pipeline.core.errors import ProjectError

RECORD = "init.json"
WATCHED = ("project.yaml", "contract.json")
"""What people edit: not overwritten once they have."""


@dataclass(frozen=True)
class Standing:
    """What stands in the repository of a project that is to be made.

    Attributes:
        record: The content of its init.json; None where there is none.
        exists: Whether params.yaml or data/ knows the name.
        is_listed: Whether params.yaml does: a call that was killed may have left it out.
        edited: The files that differ from what was written.
    """

    record: Mapping[str, Any] | None
    exists: bool
    is_listed: bool
    edited: tuple[str, ...]


def standing(root: Path, name: str) -> Standing:
    """Look at what stands there; nothing is changed."""
    from pipeline.core.settings.project import projects

    home = root / "data" / name
    is_listed = (root / "params.yaml").is_file() and name in projects(root)
    exists = home.exists() or is_listed
    source = home / RECORD
    if not source.is_file():
        return Standing(None, exists, is_listed, ())
    try:
        record = json.loads(source.read_text(encoding="utf-8"))
        written = dict(record["written"])
    except (ValueError, KeyError, TypeError):
        raise ProjectError(
            f"expected data/{name}/{RECORD} as `hallmark init` wrote it, found something else",
            hint=f"`git checkout data/{name}/{RECORD}` restores it",
        ) from None
    edited = [file for file in WATCHED if _differs(home / file, written.get(file))]
    return Standing(record, True, is_listed, tuple(edited))


def _differs(file: Path, digest: str | None) -> bool:
    return not file.is_file() or text_digest(file.read_bytes()) != digest


def text_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_settled(there: Standing, wanted: Wanted, sha256: str, force: bool) -> bool:
    """Whether nothing is left to do; False when the project may be written.

    Raises:
        ProjectError: a project of this name stands there that must not be overwritten.
    """
    home = f"data/{wanted.name}"
    if there.record is None:
        if there.exists:
            raise ProjectError(
                f"expected a new project, {wanted.name!r} is one already, and not made by "
                "`hallmark init`",
                hint=f"choose another name: --name {wanted.name}-2",
            )
        return False
    if force:
        return False
    if differences := what_differs(there.record, wanted, sha256):
        raise ProjectError(
            f"{home} was made of another file or with other arguments",
            findings=differences,
            hint=f"--name makes another project, --force makes {home} anew (--dry-run shows the "
            f"difference); a new delivery comes in by `hallmark refresh {wanted.name}`",
        )
    if there.edited:
        raise ProjectError(
            f"{home}: expected the files as `hallmark init` wrote them, "
            f"{' and '.join(there.edited)} {'differs' if len(there.edited) == 1 else 'differ'}",
            hint="--dry-run shows the difference, --force overwrites what was edited",
        )
    return there.is_listed


def what_differs(record: Mapping[str, Any], wanted: Wanted, sha256: str) -> list[str]:
    """The arguments that a project was made with, where they are others than now."""
    found = []
    if record["source"]["sha256"] != sha256:
        found.append(f"it was made from {record['source']['file']}, with other bytes")
    for key, value in wanted.as_dict().items():
        if (before := record["arguments"].get(key)) != value:
            option = f"--{key.replace('_', '-')}"
            found.append(f"{option} was {_told(before)}, is {_told(value)} now")
    return found


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value) or "not given"
    return "not given" if value is None else str(value)


def record_text(wanted: Wanted, file: str, sha256: str, texts: Mapping[str, str]) -> str:
    """The content of init.json.

    Args:
        wanted: What was asked for.
        file: The raw file's name.
        sha256: Of its bytes.
        texts: What was written that people edit, by name.
    """
    record = {
        "about": "What `hallmark init` was asked, and the SHA-256 of what it wrote: by these it "
        "sees a person's edits.",
        "source": {"file": file, "sha256": sha256},
        "arguments": wanted.as_dict(),
        "written": {name: text_digest(text.encode()) for name, text in texts.items()},
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
