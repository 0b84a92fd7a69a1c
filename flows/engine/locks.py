"""Locks: one build at a time in one checkout, and no lock left by the dead.

The build's lock is the kernel's (flock): it goes with its process, however that ends.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from flows.graph.plan import explained
from pipeline.core.errors import PipelineError


class BuildRunningError(PipelineError):
    """Another build is at work in this checkout."""


@contextlib.contextmanager
def build_lock(local: Path, root: Path, project: str) -> Iterator[None]:
    """Hold the checkout's build lock.

    Raises:
        BuildRunningError: another process holds it; the message names it.
    """
    source = local / "locks" / f"build-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}.json"
    source.parent.mkdir(parents=True, exist_ok=True)
    with source.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _running(root, source) from None
        stream.truncate(0)
        stream.write(json.dumps({"pid": os.getpid(), "project": project, "root": str(root)}))
        stream.flush()
        with cache_in_use(local):
            yield


@contextlib.contextmanager
def cache_in_use(local: Path) -> Iterator[None]:
    """Keep the DVC cache from being pruned; any number may hold this. Waits while it is pruned."""
    with _cache_lock(local).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def cache_alone(local: Path) -> Iterator[bool]:
    """Have the DVC cache alone: no build begins meanwhile. Yields False when one is at work."""
    with _cache_lock(local).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _cache_lock(local: Path) -> Path:
    source = local / "locks" / "cache"
    source.parent.mkdir(parents=True, exist_ok=True)
    return source


def _running(root: Path, source: Path) -> BuildRunningError:
    try:
        holder = json.loads(source.read_text(encoding="utf-8"))
        who = f"a build of {holder['project']} (process {holder['pid']})"
    except (ValueError, KeyError, TypeError, OSError):
        who = "another build"
    return BuildRunningError(
        f"expected no other build at work in {root}, found {who}",
        hint="wait until it has ended, or stop it; a second git worktree builds beside it",
    )


def clean_rwlock(root: Path) -> None:
    """Drop what dead processes left in DVC's list of files in use.

    DVC refuses a half-written list, takes a zombie for alive, and so it takes another process
    that was given a dead one's number. Done under DVC's own guard of this file.
    """
    source = root / ".dvc" / "tmp" / "rwlock"
    if not source.exists():
        return
    from dvc.lock import make_lock

    with explained(), make_lock(str(source) + ".lock", tmp_dir=str(source.parent)):
        try:
            held = json.loads(source.read_text(encoding="utf-8"))
            written = source.stat().st_mtime
            kept = {
                "write": {p: i for p, i in held.get("write", {}).items() if _holds(i, written)},
                "read": {
                    path: left
                    for path, infos in held.get("read", {}).items()
                    if (left := [info for info in infos if _holds(info, written)])
                },
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            source.unlink(missing_ok=True)
            return
        if kept != {"write": held.get("write", {}), "read": held.get("read", {})}:
            source.write_text(json.dumps(kept), encoding="utf-8")


def _holds(info: dict[str, Any], written: float) -> bool:
    """Whether the process lives and existed when the list was last written."""
    try:
        process = psutil.Process(int(info["pid"]))
        return bool(
            process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= written + 1
        )
    except psutil.Error:
        return False
