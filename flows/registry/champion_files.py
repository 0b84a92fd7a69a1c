"""The live champion as files that a build reads: `data/<project>/champion/`.

Written before a build plans, while the checkout is its own, so that `evaluate` compares with what
is live now. The same bytes are left untouched, and nothing runs because of them.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from flows.registry import versions as registry
from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import replacing

NOTE = "champion.json"
NOBODY = {"version": None, "note": "no model of this project is live"}


def write_champion(root: Path, project: str) -> None:
    """Write the live champion's files, or the note that there is none.

    Raises:
        ArtifactMissing: the champion's bento is gone or was changed.
    """
    live = registry.champion(root, project)
    target = root / "data" / project / "champion"
    sources: dict[str, Path] = {}
    note: Mapping[str, object] = NOBODY
    if live is not None:
        model = registry.bento_folder(root, live) / bento.SOURCE / bento.MODEL
        sources = {name: model / name for name in bento.MODEL_FILES}
        sources[registry.SEEN] = registry.folder_of(root, live) / registry.SEEN
        note = {"version": live.version, "model_digest": live.model_digest}
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
