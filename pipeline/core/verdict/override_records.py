"""Overrides: a person's word that a rule may be broken until a date, as git has it.

`data/<project>/overrides.json` is never absent; a build removes what has expired before it plans.
The gate reads it without a clock; whoever has one asks `has_expired` again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from pipeline.core.errors import ArtifactMissing, ProjectError
from pipeline.core.files import read_json, write_json
from pipeline.core.settings.typed_settings import Frozen, strictly

FILE = "overrides.json"
PASS, PASS_WITH_OVERRIDE = "pass", "pass_with_override"


def passes(outcome: str) -> bool:
    """Whether a verdict lets a model be packaged, registered and promoted."""
    return outcome in (PASS, PASS_WITH_OVERRIDE)


class Override(Frozen):
    rule: str = Field(pattern=r"\S")
    """The rule's title, as the verdict has it: with another limit it is another rule."""
    name: str = Field(pattern=r"\S")
    """Who answers for it."""
    reason: str = Field(pattern=r"\S")
    """Why the rule may be broken."""
    until: date
    """The last day, UTC, on which it holds."""
    signed: date
    """The day, UTC, on which it was signed."""
    signed_by: str = ""
    """Who committed it, by git. For information, as what follows."""
    commit: str = ""
    """What was checked out then."""
    verdict_digest: str = ""
    """SHA-256 of the verdict that lay there then; empty for none."""
    found: str = ""
    """What that verdict said of the rule."""


class Overrides(Frozen):
    """The file's content."""

    overrides: tuple[Override, ...] = ()


def read_overrides(home: Path) -> tuple[Override, ...]:
    """The overrides of the project in `home`.

    Raises:
        ArtifactMissing: the file is absent, or no JSON.
        ProjectError: a record is not whole.
    """
    source = home / FILE
    if not source.is_file():
        raise ArtifactMissing(
            f"expected {source}, found none", hint="`hallmark build` writes one without overrides"
        )
    try:
        return parsed(read_json(source))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise ProjectError(
            f"{source}: expected whole records of overrides, found at {where}: {problem['msg']}",
            hint="`git checkout` that file; `hallmark override` writes such records",
        ) from None


def parsed(content: Any) -> tuple[Override, ...]:
    """The records of a file's content."""
    return strictly(Overrides, content, {}).overrides


def write_overrides(home: Path, records: Iterable[Override]) -> None:
    """Write the file, in the order of the rules' titles."""
    ordered = sorted(records, key=lambda record: record.rule)
    write_json(home / FILE, {"overrides": [as_dict(record) for record in ordered]})


def as_dict(record: Override) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record.model_dump_json())
    return found


def overridden(rule: Mapping[str, Any], records: Sequence[Override]) -> Override | None:
    """The record that lets this decided rule be broken; None where nothing is to be overridden."""
    if not rule["refuses"]:
        return None
    return next((record for record in records if record.rule == rule["rule"]), None)


def has_expired(record: Mapping[str, Any] | Override, today: date) -> bool:
    """Whether an override, as a record or as a verdict has it, holds no more today (UTC)."""
    until = record.until if isinstance(record, Override) else date.fromisoformat(record["until"])
    return today > until


def in_words(record: Mapping[str, Any]) -> str:
    """One line for people."""
    return (
        f"{record['rule']}: overridden by {record['name']} until {record['until']}: "
        f"{record['reason']}"
    )
