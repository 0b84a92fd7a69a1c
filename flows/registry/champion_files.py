"""The live champion as files that a build reads: `data/<project>/champion/`.

Written before a build plans, while the checkout is its own, so that `evaluate` compares with what
is live now. The same bytes are left untouched, and nothing runs because of them.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from flows.registry import versions as registry
from flows.registry.versions import Version
from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json, replacing

NOTE = "champion.json"
NOBODY = {"version": None, "note": "no model of this project is live"}


def write_champion(root: Path, project: str) -> list[str]:
    """Write the live champion's files, or the note that there is none; return what people are told.

    A champion whose files are gone or were changed stops no build, since a build is what brings
    them back: what an earlier build wrote here is kept while it is the champion's, else nothing is
    compared with it.
    """
    target = root / "data" / project / "champion"
    try:
        live = registry.champion(root, project)
        sources = {} if live is None else _sources(root, live)
    except ArtifactMissing as error:
        return _without(root, project, target, error)
    note = NOBODY if live is None else _note(live)
    _write_all(target, sources, note)
    return []


def _without(root: Path, project: str, target: Path, error: ArtifactMissing) -> list[str]:
    """The champion cannot be read: keep what is here of it, or say that there is none."""
    lines = str(error).splitlines()
    live = None
    with contextlib.suppress(ArtifactMissing):
        live = registry.champion(root, project)
    if live is not None and _is_here(target, live):
        return [*lines, "  compared with what the last build kept of it"]
    _write_all(target, {}, NOBODY)
    return [*lines, "  so nothing is compared with the champion"]


def _sources(root: Path, live: Version) -> dict[str, Path]:
    model = registry.bento_folder(root, live) / bento.SOURCE / bento.MODEL
    sources = {name: model / name for name in bento.MODEL_FILES}
    sources[registry.SEEN] = registry.kept_file(root, live, registry.SEEN)
    return sources


def _note(live: Version) -> Mapping[str, object]:
    return {"version": live.version, "model_digest": live.model_digest}


def _is_here(target: Path, live: Version) -> bool:
    """Whether the folder has the champion's files from an earlier build, unchanged."""
    try:
        seen = registry.SEEN in live.files and bento.file_digest(target / registry.SEEN)
        return (
            read_json(target / NOTE) == _note(live)
            and bento.model_digest(target) == live.model_digest
            and seen == live.files[registry.SEEN]
        )
    except (ArtifactMissing, KeyError):
        return False


def _write_all(target: Path, sources: Mapping[str, Path], note: Mapping[str, object]) -> None:
    for name, source in sources.items():
        _write(target / name, _content(source))
    for other in target.iterdir() if target.is_dir() else ():
        if other.is_file() and other.name not in (*sources, NOTE) and other.name[0] != ".":
            other.unlink()
    _write(target / NOTE, (json.dumps(note, indent=2) + "\n").encode())


def _content(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except FileNotFoundError:
        raise ArtifactMissing(
            f"expected {source}, part of the champion, found none",
            hint="promote another version; `hallmark versions PROJECT` lists them",
        ) from None


def _write(target: Path, content: bytes) -> None:
    if target.is_file() and target.read_bytes() == content:
        return
    with replacing(target) as temporary:
        temporary.write_bytes(content)
