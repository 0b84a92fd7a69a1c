"""Who made which version the champion, when and why: lines that are only ever added.

`.local/promotions/<project>.jsonl` is the truth of which version is live: the last whole line.
Beside it `<project>.json` says the same for whoever watches, and MLflow's alias for whoever looks;
both are written after the line, and set right when they differ.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from pipeline.core.errors import ArtifactMissing
from pipeline.core.paths import local_state


@dataclass(frozen=True)
class Move:
    """One change of the champion.

    Attributes:
        kind: `promote` or `rollback`.
        time: When, UTC, ISO 8601.
        who: Whom to ask.
        why: Their reason.
        before: The version that was live until then; None for the first.
        after: The version that is live from then on.
        bento_digest: Of the version that went live.
    """

    kind: Literal["promote", "rollback"]
    time: str
    who: str
    why: str
    before: str | None
    after: str
    bento_digest: str


def folder(root: Path) -> Path:
    return local_state(root) / "promotions"


def history(root: Path, project: str) -> list[Move]:
    """All moves, the oldest first. A last line that was not written to its end counts as none.

    Raises:
        ArtifactMissing: a line before the last one is damaged.
    """
    source = folder(root) / f"{project}.jsonl"
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        return []
    moves = []
    for number, line in enumerate(content[: _whole(content)].splitlines(), start=1):
        try:
            moves.append(Move(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ArtifactMissing(
                f"{source}: line {number} cannot be read: {error}",
                hint="nobody may edit this file; bring it back from a backup",
            ) from None
    return moves


def champion_version(root: Path, project: str) -> str | None:
    """The live version's number; None before the first promotion."""
    moves = history(root, project)
    return moves[-1].after if moves else None


def version_before(moves: list[Move]) -> str | None:
    """The version to roll back to: what was live before the present champion was promoted."""
    live: list[str] = []
    for move in moves:
        if move.kind == "promote":
            live.append(move.after)
        else:
            while live and live[-1] != move.after:
                live.pop()
    return live[-2] if len(live) > 1 else None


@contextlib.contextmanager
def moving(root: Path, project: str) -> Iterator[None]:
    """Hold the right to move the champion of a project; others wait."""
    folder(root).mkdir(parents=True, exist_ok=True)
    with FileLock(folder(root) / f"{project}.lock"):
        yield


def append(root: Path, project: str, move: Move) -> None:
    """Add a line and see it onto the disk; what a crash left of a last one goes first.

    Call it while `moving`.
    """
    source = folder(root) / f"{project}.jsonl"
    line = json.dumps(asdict(move), ensure_ascii=False).encode() + b"\n"
    handle = os.open(source, os.O_RDWR | os.O_CREAT, 0o666)
    with os.fdopen(handle, "r+b") as stream:
        stream.truncate(_whole(stream.read()))
        stream.seek(0, os.SEEK_END)
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
    entry = os.open(source.parent, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _whole(content: bytes) -> int:
    """How many bytes are whole lines."""
    return content.rfind(b"\n") + 1
