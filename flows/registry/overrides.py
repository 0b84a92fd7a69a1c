"""Overrides in git: signed and taken back with a commit of that one file, expired ones removed.

The gate has no clock, so a build takes out what has expired before it plans; promotion and serving
ask for the date again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flows.engine.checkout import commit
from flows.engine.worktree import commit_changes
from flows.git import GitError, answer, git
from flows.registry.versions import Version
from pipeline.core.bento.folder import file_digest
from pipeline.core.errors import ArtifactMissing, GateRefused, PipelineError, ProjectError
from pipeline.core.files import read_json, write_text
from pipeline.core.paths import Paths
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.project import load_project
from pipeline.core.verdict.gate_rules import Rule
from pipeline.core.verdict.override_records import (
    FILE,
    Override,
    as_dict,
    has_expired,
    in_words,
    parsed,
    read_overrides,
    write_overrides,
)
from pipeline.core.verdict.sensitive_named import SensitiveNamed
from pipeline.core.verdict.whole_training import WholeTraining

MAX_DAYS = 366
"""An override that holds longer than this is a rule that nobody means."""


class GitRefused(PipelineError):
    """Git did not commit an override."""

    exit_code = 2


def today() -> date:
    return datetime.now(UTC).date()


def home_of(root: Path, project: str) -> Path:
    return root / "data" / project


def remove_expired(root: Path, project: str) -> list[str]:
    """Take out what has expired; write the file where there is none. Return what people are told.

    In a run's worktree that is committed; elsewhere the file waits for the next commit, as
    dvc.lock does.
    """
    home = home_of(root, project)
    if not (home / FILE).is_file():
        write_overrides(home, ())
        return []
    records = read_overrides(home)
    expired = [record for record in records if has_expired(record, today())]
    if not expired:
        return []
    write_overrides(home, [record for record in records if record not in expired])
    commit_changes(root, f"Overrides of {project} that have expired are taken out")
    return [f"expired and taken out: {in_words(as_dict(record))}" for record in expired]


def expired(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which of a version's overrides hold no more today, each a sentence."""
    return [
        f"its override of `{record['rule']}` by {record['name']} expired after {record['until']}"
        for record in records
        if has_expired(record, today())
    ]


def check_in_force(version: Version) -> None:
    """Refuse to put a model into service whose override is past.

    Raises:
        GateRefused: an override has expired.
    """
    if lines := expired(version.overrides):
        raise GateRefused(
            f"{version.project} version {version.version} cannot be put into service",
            findings=lines,
            hint=f"promote another version, or sign anew (`hallmark override {version.project}`), "
            "build and promote",
        )


def committed(root: Path, at: str | None, project: str) -> list[dict[str, Any]]:
    """The records that a commit has, as a verdict has them."""
    shown = answer(root, "show", f"{at}:./data/{project}/{FILE}") if at else None
    try:
        return [as_dict(record) for record in parsed(json.loads(shown or "{}"))]
    except (ValueError, ValidationError):
        return []


def rules_of(root: Path, project: str) -> tuple[Rule | SensitiveNamed | WholeTraining, ...]:
    """The gate's rules of a project, and those that are no entries of `gate.rules`."""
    from pipeline.gate import stage as gate

    settings = load_project(root, project, "gate", gate.Settings, gate.SECTIONS).settings
    whole = (WholeTraining(),) if settings.whole_training else ()
    return (*settings.rules, SensitiveNamed(), *whole)


def resolve(
    rules: Sequence[Rule | SensitiveNamed | WholeTraining], text: str, project: str
) -> Rule | SensitiveNamed | WholeTraining:
    """The rule that a text names: its title, `<=` for `≤`, or its measure and groups alone.

    Raises:
        ProjectError: it names none, or several.
    """
    wanted = " ".join(text.replace("<=", "≤").replace(">=", "≥").split())
    found = [rule for rule in rules if rule.title == wanted]
    found = found or [rule for rule in rules if rule.subject == wanted]
    if len(found) == 1:
        return found[0]
    titles = tuple(rule.title for rule in rules)
    number = "several" if found else "none"
    raise ProjectError(
        f"--rule: expected a rule of data/{project}/project.yaml, {wanted!r} names {number}",
        hint=nearest(wanted, titles),
        findings=[f"rule: {title}" for title in titles],
    )


def sign(
    root: Path, project: str, *, rule: str, name: str, reason: str, until: str
) -> tuple[Override, str]:
    """Write an override and commit it, that file alone, in the name of git's identity.

    An earlier one of the same rule goes.

    Returns:
        The record, and the commit.

    Raises:
        ProjectError: no such rule, no name, no reason, a date that is past, too far or none.
        GitRefused: git has no identity or no commit, other changes are staged, or it fails.
    """
    chosen = resolve(rules_of(root, project), rule, project)
    for option, value, what in (
        ("--name", name, "who answers for it"),
        ("--reason", reason, "why the rule may be broken"),
    ):
        if not value.strip():
            raise ProjectError(f"{option}: expected {what}, found nothing")
    last_day = _last_day(until)
    others = [one for one in _unchanged(root, project) if one.rule != chosen.title]
    record = Override(
        rule=chosen.title,
        name=name.strip(),
        reason=reason.strip(),
        until=last_day,
        signed=today(),
        signed_by=identity(root),
        commit=commit(root) or "",
        **_verdict(root, project, chosen.title),
    )
    message = f"Override of {project}: {chosen.title}, until {last_day}\n\n{record.name}: "
    made = _commit(root, project, [*others, record], message + record.reason)
    return record, made


def take_back(root: Path, project: str, rule: str) -> tuple[Override, str]:
    """Remove a rule's override and commit that; return the record and the commit.

    Raises:
        ProjectError: there is none of this rule.
        GitRefused: as `sign` does.
    """
    records = _unchanged(root, project)
    wanted = " ".join(rule.replace("<=", "≤").replace(">=", "≥").split())
    found = next((record for record in records if record.rule == wanted), None)
    if found is None:
        known = tuple(record.rule for record in records)
        raise ProjectError(
            f"--rule: expected a rule of {project} that is overridden, got {wanted!r}",
            hint=nearest(wanted, known) or f"{project} has no overrides",
        )
    left = [record for record in records if record is not found]
    return found, _commit(root, project, left, f"Override of {project} taken back: {found.rule}")


def _last_day(text: str) -> date:
    try:
        last_day = date.fromisoformat(text)
    except ValueError:
        raise ProjectError(f"--until: expected a date as 2027-01-31, got {text!r}") from None
    if last_day < today():
        raise ProjectError(
            f"--until: expected a date that is not past (today is {today()}, UTC), got {last_day}"
        )
    if last_day > today() + timedelta(days=MAX_DAYS):
        raise ProjectError(
            f"--until: expected a date within {MAX_DAYS} days, got {last_day}",
            hint="an override ends; what is to hold for longer is another limit in project.yaml",
        )
    return last_day


def refuses(root: Path, project: str, title: str) -> bool:
    """Whether the verdict that lies there refuses by a rule; also when there is none yet."""
    decided = _decided(root, project, title)
    return decided is None or bool(decided.get("refuses", True))


def _verdict(root: Path, project: str, title: str) -> dict[str, str]:
    """What lay there when it was signed, for information."""
    decided = _decided(root, project, title)
    if decided is None:
        return {}
    source = Paths(root, project, "gate").output("verdict.json")
    return {"verdict_digest": file_digest(source), "found": str(decided["sentence"])}


def _decided(root: Path, project: str, title: str) -> dict[str, Any] | None:
    """The rule as the verdict that lies there has it."""
    try:
        rules = read_json(Paths(root, project, "gate").output("verdict.json"))["rules"]
        return next((one for one in rules if one["rule"] == title), None)
    except (ArtifactMissing, KeyError, TypeError):
        return None


def _unchanged(root: Path, project: str) -> tuple[Override, ...]:
    """The records as they lie there, all of them committed, with nothing else staged.

    Raises:
        GitRefused: no commit yet, no identity, other staged changes, or records of nobody's commit.
    """
    if commit(root) is None:
        raise GitRefused(
            f"expected a git repository with a commit in {root}, found none",
            hint="an override is a commit: `git init`, `git add`, `git commit` first",
        )
    identity(root)
    if staged := git(root, "diff", "--cached", "--name-only").split():
        raise GitRefused(
            f"expected nothing staged, found {', '.join(staged[:5])}",
            hint="`git commit` or `git restore --staged` it first: an override is a commit of its "
            "own",
        )
    home = home_of(root, project)
    records = read_overrides(home) if (home / FILE).is_file() else ()
    known = committed(root, "HEAD", project)
    if strange := [record.rule for record in records if as_dict(record) not in known]:
        raise GitRefused(
            f"expected records that are committed, data/{project}/{FILE} has others: "
            f"{', '.join(strange)}",
            hint=f"`git checkout data/{project}/{FILE}` drops what was written by hand",
        )
    return records


def identity(root: Path) -> str:
    """Git's `Name <address>` of who is at work.

    Raises:
        GitRefused: git knows none.
    """
    said = answer(root, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT") or ""
    if not said.strip():
        raise GitRefused(
            "expected git to know who you are, it does not: an override is signed",
            hint='`git config user.name "Ada Lovelace"`, `git config user.email ada@example.org`',
        )
    return said.rpartition(">")[0] + ">"


def _commit(root: Path, project: str, records: Sequence[Override], message: str) -> str:
    """Write the file and commit it alone, signed off; a commit that fails leaves it as it was."""
    home = home_of(root, project)
    target = home / FILE
    before = target.read_text(encoding="utf-8") if target.is_file() else None
    write_overrides(home, records)
    name = target.relative_to(root).as_posix()
    try:
        git(root, "add", "--", name)
        git(root, "commit", "--quiet", "--signoff", "--only", "--message", message, "--", name)
    except GitError:
        if before is None:
            target.unlink()
        else:
            write_text(target, before)
        git(root, "reset", "--quiet", "--", name, check=False)
        raise
    return commit(root) or ""
