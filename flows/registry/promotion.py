"""Which version is live: promote, roll back, and the proofs that both ask for.

The history's last line decides. What follows from it, the pointer that a running service watches
and MLflow's alias, is written after the line, and set right by the next command when a crash or a
tracking that is down came between.
"""

import contextlib
import getpass
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from flows.git import answer
from flows.registry import versions as registry
from flows.registry.history import (
    Move,
    append,
    champion_version,
    folder,
    history,
    moving,
    version_before,
)
from flows.registry.overrides import committed, expired
from flows.registry.versions import Version
from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing, GateRefused, ProjectError
from pipeline.core.files import read_json, write_json
from pipeline.core.settings.project import load_project
from pipeline.core.verdict.override_records import passes

Kind = Literal["promote", "rollback"]
KEPT = {
    registry.REHEARSAL: "rehearsal report",
    registry.ROWS: "rehearsal rows",
    registry.SEEN: "keys of the rows that were trained on",
}
"""What is kept beside a bento, as people are told of it."""
Tell = Callable[[str], None]


def _nobody(_: str) -> None:
    """Told what nobody needs to hear."""


def promote(
    root: Path,
    project: str,
    version: str | None = None,
    *,
    who: str,
    why: str,
    tell: Tell = _nobody,
) -> Move:
    """Make a version the champion.

    Args:
        root: The checkout.
        project: The project's name.
        version: Its number; None for the candidate.
        who: Whom to ask about it.
        why: The reason.
        tell: Is told what else people should know.

    Raises:
        GateRefused: verdict, rehearsal, digests or tree do not allow it; the findings say which.
        ProjectError: there is no such version, it is the champion, or the reason is missing.
    """
    reason = _reason(why)
    with moving(root, project):
        chosen = registry.resolve(root, project, version or registry.CANDIDATE)
        live = champion_version(root, project)
        if live == chosen.version:
            settle(root, project, tell)
            raise ProjectError(
                f"expected a version of {project} that is not live, {live} is the champion already",
                hint=f"`hallmark versions {project}` lists the others",
            )
        if objections := list(against(root, chosen)):
            raise GateRefused(
                f"{project} version {chosen.version} cannot be the champion",
                findings=objections,
                hint=f"`hallmark versions {project}` lists the others",
            )
        return _move(root, "promote", chosen, live, who, reason, tell)


def rollback(root: Path, project: str, *, who: str, why: str, tell: Tell = _nobody) -> Move:
    """Make the version live again that was so before the champion; it is rehearsed first.

    Raises:
        GateRefused: the earlier version fails its rehearsal, or its proofs no longer match.
        ProjectError: there was no other champion before.
    """
    reason = _reason(why)
    with moving(root, project):
        before = version_before(history(root, project))
        if before is None:
            raise ProjectError(
                f"expected an earlier champion of {project} to go back to, found none",
                hint=f"`hallmark history {project}` shows who was live when",
            )
        version = registry.resolve(root, project, before)
        objections = list(against(root, version))
        if not objections:
            objections = list(rehearsed_anew(root, version))
        if objections:
            raise GateRefused(
                f"{project} version {before} cannot be live again",
                findings=objections,
                hint=f"`hallmark promote {project} VERSION` takes another one",
            )
        live = champion_version(root, project)
        return _move(root, "rollback", version, live, who, reason, tell)


def against(root: Path, version: Version) -> Iterator[str]:
    """What speaks against a version: each is a sentence."""
    if not passes(version.verdict):
        yield f"expected a passing verdict, it is `{version.verdict}`"
    if version.rehearsal != "pass":
        yield f"expected a passing rehearsal, it is `{version.rehearsal}`"
    if version.commit is None:
        yield "expected a build of a commit, it was made outside git"
    elif version.dirty:
        files = version.uncommitted or "the commit changed while it was built"
        yield (
            f"expected a build from a clean tree, these files were not committed: {files} "
            f"(`git commit`, then `hallmark build {version.project}` registers it)"
        )
    for name, what in KEPT.items():
        try:
            registry.kept_file(root, version, name)
        except ArtifactMissing as error:
            yield f"{what}: {_with_hint(error)}"
    try:
        packed = registry.bento_folder(root, version)
        rehearsal = read_json(registry.folder_of(root, version) / registry.REHEARSAL)
        card = packed / bento.SOURCE / bento.VERDICT
        yield from _digests(version, packed, rehearsal, card)
        yield from _overrides(root, version, read_json(card).get("overrides", ()))
    except ArtifactMissing as error:
        yield _with_hint(error)


def _with_hint(error: ArtifactMissing) -> str:
    """What is missing, with what to do about it: a finding has no hint of its own."""
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _digests(version: Version, packed: Path, rehearsal: Any, card: Path) -> Iterator[str]:
    """What does not match: the bento itself was compared with its registration before."""
    if rehearsal.get("outcome") != "pass" or rehearsal.get("bento_digest") != version.bento_digest:
        yield "expected the rehearsal to be of this very bento, it names another one"
    if (found := bento.read_proof(packed)["model_digest"]) != version.model_digest:
        yield f"expected the model {version.model_digest[:12]}, the bento has {found[:12]}"
    outcome = read_json(card)["outcome"]
    if bento.file_digest(card) != version.verdict_digest or not passes(outcome):
        yield "expected the verdict that was registered, the bento carries another one"


def _overrides(root: Path, version: Version, records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Overrides that hold no more today, or that the version's commit does not have."""
    yield from expired(records)
    signed = committed(root, version.commit, version.project) if records else ()
    for record in records:
        if record not in signed:
            yield (
                f"expected the override of `{record['rule']}` by {record['name']} in the commit "
                f"that was built, it is not there: `hallmark override` writes and commits one"
            )


def rehearsed_anew(root: Path, version: Version) -> Iterator[str]:
    """Boot the version's service and replay the rows that were kept with it; what goes wrong."""
    import polars as pl

    from flows.registry.registration import OFFLINE, REHEARSE
    from pipeline.rehearse import stage as rehearse

    kept = pl.read_parquet(registry.kept_file(root, version, registry.ROWS))
    offline = next(name for name in kept.columns if name in OFFLINE)
    asked = load_project(root, version.project, REHEARSE, rehearse.Settings, rehearse.SECTIONS)
    report = rehearse.rehearse(
        registry.bento_folder(root, version),
        kept.drop(offline),
        kept[offline].to_numpy(),
        asked.settings,
        version=version.version,
    )
    if report["outcome"] != "pass":
        for check in report["checks"]:
            if check["outcome"] != "pass":
                yield (
                    f"rehearsal: {check['name']}: expected {check['expected']}, "
                    f"found {check['found']}"
                )


def _move(
    root: Path, kind: Kind, version: Version, before: str | None, who: str, why: str, tell: Tell
) -> Move:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    move = Move(kind, now, who, why, before, version.version, version.bento_digest)
    append(root, version.project, move)
    settle(root, version.project, tell)
    return move


def pointer(root: Path, project: str) -> Path:
    """What a running service watches: version, bento and digest of the champion."""
    return folder(root) / f"{project}.json"


def point(root: Path, project: str) -> Version | None:
    """Let the pointer say what the history says; return the champion."""
    live = registry.champion(root, project)
    if live is None:
        return None
    content = {
        "version": live.version,
        "bento": str(registry.bento_place(root, live.bento_tag)),
        "bento_digest": live.bento_digest,
    }
    target = pointer(root, project)
    try:
        is_right = json.loads(target.read_text(encoding="utf-8")) == content
    except (FileNotFoundError, ValueError):
        is_right = False
    if not is_right:
        write_json(target, content)
    return live


def settle(root: Path, project: str, tell: Tell) -> None:
    """Set the pointer and MLflow's aliases by the history and the registry.

    Tells when somebody else had moved an alias, and when none can be set now.
    """
    from flows.registry.tracker import is_on
    from flows.tracking.store import Store

    live, known = point(root, project), registry.versions(root, project)
    if not known or not is_on():
        return
    wanted = {
        registry.CHAMPION: live.version if live else None,
        registry.CANDIDATE: known[0].version,
    }
    try:
        store = Store(root, project)
        named = store.aliases()
        for alias, number in wanted.items():
            found = named.get(alias)
            if found == number:
                continue
            if not store.set_alias(alias, number):
                tell(
                    f"MLflow does not know version {number}: it was registered in another "
                    "database; nothing depends on it"
                )
            elif found not in (None, _set_last(root, project).get(alias)):
                tell(
                    f"MLflow's alias `{alias}` named version {found}, here it is "
                    f"{f'version {number}' if number else 'none'}: set right; nothing goes by it"
                )
        if _set_last(root, project) != wanted:
            write_json(_aliases_file(root, project), wanted)
    except Exception as error:  # the alias is for people to see; the history has decided
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        tell(f"MLflow's alias `champion` lags behind: {why}")
        tell("  nothing depends on it; the next promotion, or `hallmark track`, sets it right")


def _aliases_file(root: Path, project: str) -> Path:
    return folder(root) / f"{project}.aliases.json"


def _set_last(root: Path, project: str) -> dict[str, str | None]:
    """What we let MLflow's aliases name last: one that names it still only lags behind."""
    try:
        content: dict[str, str | None] = read_json(_aliases_file(root, project))
    except ArtifactMissing:
        return {}
    return content


def identity(root: Path) -> str:
    """Who is at work: git's name and address, else the user of this machine."""
    name = mail = ""
    with contextlib.suppress(FileNotFoundError):  # without git it is the machine's user
        said = (answer(root, "config", f"user.{key}") or "" for key in ("name", "email"))
        name, mail = (one.strip() for one in said)
    if name or mail:
        return f"{name} <{mail}>" if name and mail else name or mail
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _reason(why: str) -> str:
    if not why.strip():
        raise ProjectError("expected a reason, found none", hint='give it with --why "…"')
    return why.strip()
