"""What stops a run and no code foresaw: the machine's failures in words, and bugs of ours.

A bug is told in a paragraph: where it is, and the file that has its traceback. An exception's own
text may hold a row's value, so it goes to that file alone.
"""

import errno
import os
import platform
import traceback
from collections.abc import Callable
from pathlib import Path

from pipeline.core.errors import PipelineError
from pipeline.core.files import write_text

DEBUG = "HALLMARK_DEBUG"
"""The environment variable that has tracebacks shown, also by stages that DVC runs."""
HERE, PACKAGES = Path(__file__).parents[3], ("pipeline", "flows")
PANIC = "PanicException"
"""What polars raises where its own code fails: no Exception to Python."""


class MachineError(PipelineError):
    """The machine lacks what a run needs: room, memory, a right, a program, a port."""


class RemoteBug(Exception):
    """A bug in another process of this stage, with what it was there.

    Args:
        where: As `place` says it.
        shown: Its traceback.
    """

    def __init__(self, where: str, shown: str) -> None:
        super().__init__("in another process of this stage")
        self.place = where
        self.add_note(shown)


def debugging() -> bool:
    """Whether tracebacks are to be shown."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def of_machine(error: BaseException) -> MachineError | None:
    """The error in words if it, or what caused it, is a failure of the machine; None if not."""
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen).lower()
        if isinstance(seen, MemoryError) or "can't allocate memory" in text:
            return _no_memory()
        if "out of memory" in text:  # a GPU's, in torch's words
            return _no_memory("lower `train.batch_size`, ")
        if isinstance(seen, OSError) and seen.errno in _WORDS:
            return _WORDS[seen.errno](seen)
        if "no space left on device" in text or "disk is full" in text:
            return _no_room(OSError(errno.ENOSPC, "no space left"))
        if isinstance(seen, FileNotFoundError) and _is_program(seen.filename):
            return MachineError(
                f"expected the program `{seen.filename}`, found none on PATH",
                hint=f"install {seen.filename}, or add its folder to PATH",
            )
        seen = seen.__cause__
    return None


def bug(error: BaseException, target: Path) -> str:
    """Write the traceback of a bug to `target`; return what a person is told of it."""
    shown = "".join(traceback.format_exception(error))
    versions = f"Python {platform.python_version()}, {platform.platform()}"
    try:
        write_text(target, f"{versions}\n\n{shown}")
        kept = f"the full traceback is in {_relative(target)}"
    except OSError as refused:
        kept = f"its traceback could not be written to {target}: {refused.strerror}"
    return (
        f"{place(error)}: this is a bug of ours\n  {kept}\n"
        f"  hint: {DEBUG}=1 shows it here as well; tell us with that file, and whether it happens "
        "again"
    )


def place(error: BaseException) -> str:
    """The line of ours that an exception passed: `pipeline/train/stage.py, line 88, in run`."""
    if isinstance(error, RemoteBug):
        return error.place
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for package in PACKAGES:
            if Path(frame.filename).is_relative_to(HERE / package):
                file = Path(frame.filename).relative_to(HERE).as_posix()
                return f"in {file}, line {frame.lineno}, in {frame.name}"
    return "in no file of ours"


def _relative(target: Path) -> Path:
    return target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target


def _is_program(filename: object) -> bool:
    return isinstance(filename, str) and bool(filename) and os.sep not in filename


def _no_memory(first: str = "") -> MachineError:
    return MachineError(
        "expected enough memory, found no more of it",
        hint=f"{first}end what else runs, build with --jobs 1, or take a machine with more memory",
    )


def _no_room(error: OSError) -> MachineError:
    where = f" for {error.filename}" if error.filename else ""
    return MachineError(
        f"expected room on the disk{where}, found it full",
        hint="`df -h .` shows the disks; `hallmark prune` removes what old builds left",
    )


def _not_allowed(error: OSError) -> MachineError:
    return MachineError(
        f"expected to be allowed to use {error.filename or 'a file'}, found: {error.strerror}",
        hint=f"`ls -ld {error.filename or '.'}` shows whose it is and who may write to it",
    )


def _is_a_folder(error: OSError) -> MachineError:
    return MachineError(
        f"expected a file at {error.filename}, found a folder",
        hint="move the folder away, or name another file",
    )


def _port_taken(_: OSError) -> MachineError:
    return MachineError(
        "expected a free port, found another process at it",
        hint="end that process, or take another port with --port",
    )


def _too_many_files(_: OSError) -> MachineError:
    return MachineError(
        "expected to open one more file, found as many open as are allowed",
        hint="`ulimit -n 4096` allows more in this shell",
    )


_WORDS: dict[int | None, Callable[[OSError], MachineError]] = {
    errno.ENOSPC: _no_room,
    errno.EDQUOT: _no_room,
    errno.EACCES: _not_allowed,
    errno.EPERM: _not_allowed,
    errno.EROFS: _not_allowed,
    errno.EISDIR: _is_a_folder,
    errno.EADDRINUSE: _port_taken,
    errno.EMFILE: _too_many_files,
    errno.ENFILE: _too_many_files,
}
