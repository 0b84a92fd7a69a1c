"""The machine's failures in words: what a run needs and does not get.

They are known by their kind: an errno, wherever it stands in the chain of an error or in another
library's text; the words of an allocator; a signal. The text itself is never shown: it may hold a
row's value.
"""

import errno
import os
import re
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.core.errors import MachineError
from pipeline.core.run.signals import killed

_ERRNO = re.compile(
    r"(?:os error |\berrno:? ?|os \{ code: )(\d+)\b(?:\] [^:'\n]+: '([^'\n]+)')?", re.IGNORECASE
)
_NO_MEMORY = re.compile(
    r"(?:can't|cannot|could not|unable to|failed to) allocate (?:memory|\d)|not enough memory"
    r"|\bbad_alloc\b|\bbad allocation\b|memory allocation of \d+ bytes failed"
    r"|memory allocation still failed|\b(?:malloc|realloc|calloc) of size \d+|memoryerror\b"
    r"|mmap failed|failed to map segment|insufficient memory"
)
_NO_GPU_MEMORY = re.compile(r"out of memory|cublas_status_alloc_failed")
FEW_FILES = 256
"""With a lower limit of open files, a file that cannot be opened is taken for one too many."""
_BROKEN_POOL = ("BrokenProcessPool", "TerminatedWorkerError", "ProcessExitedException")
"""What libraries raise, each its own, when a process of theirs was ended from outside."""


def of_machine(error: BaseException) -> MachineError | None:
    """The error in words if it, or what caused it, is a failure of the machine; None if not."""
    for seen in _chain(error):
        if (found := _of_one(seen)) is not None:
            return found
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what caused it, and what it groups."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting.append(one.__cause__)
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _of_one(error: BaseException) -> MachineError | None:
    if isinstance(error, MemoryError):
        return _no_memory()
    if isinstance(error, OSError) and error.errno in _WORDS and not _is_ours(error):
        return _WORDS[error.errno](error)
    if isinstance(error, FileNotFoundError) and _is_program(error.filename):
        return MachineError(
            f"expected the program `{error.filename}`, found none on PATH",
            hint=f"install {error.filename}, or add its folder to PATH",
        )
    if isinstance(error, subprocess.CalledProcessError) and error.returncode < 0:
        program = error.cmd if isinstance(error.cmd, str) else str(next(iter(error.cmd), ""))
        return killed(f"`{program.split(' ')[0]}`", -error.returncode)
    if type(error).__name__ in _BROKEN_POOL:
        return killed("a process of this stage", signal.SIGKILL, found="it was killed")
    return of_text(str(error))


def of_text(text: str) -> MachineError | None:
    """A failure of the machine, from another library's or program's words; None without any."""
    lower = text.lower()
    if _NO_MEMORY.search(lower):
        return _no_memory()
    if _NO_GPU_MEMORY.search(lower):  # in torch's words
        return _no_memory("lower `train.batch_size`, ")
    for found in _ERRNO.finditer(text):
        number = int(found[1])
        if number in _WORDS and number != errno.EEXIST:
            return _WORDS[number](OSError(number, os.strerror(number), found[2]))
    if "killed by signal" in lower:  # torch's words of a process that loads data
        return killed("a process of this stage", signal.SIGKILL, found="it was killed")
    if "unable to open database file" in lower:
        return _no_database()
    if "disk i/o error" in lower and _limit(resource.RLIMIT_FSIZE) is not None:
        return _too_large(OSError(errno.EFBIG, ""))  # as SQLite tells it
    for words, number in _TEXTS.items():
        if words in lower:
            return _WORDS[number](OSError(number, os.strerror(number)))
    if "no usable temporary directory" in lower:
        return MachineError(
            "expected a folder for temporary files that can be written to, found none",
            hint="`df -h /tmp` and `ls -ld /tmp` say why; TMPDIR=… names another folder",
        )
    return None


def _is_ours(error: OSError) -> bool:
    """Whether a folder that is there was to be made: nothing is wrong with the machine then."""
    return error.errno == errno.EEXIST and not Path(error.filename or "").is_file()


def _limit(number: int) -> int | None:
    """A limit of this process; None without one."""
    soft, _ = resource.getrlimit(number)
    return None if soft == resource.RLIM_INFINITY else soft


def _no_database() -> MachineError:
    """SQLite does not say why."""
    if (_limit(resource.RLIMIT_NOFILE) or FEW_FILES) < FEW_FILES:
        return _too_many_files(OSError(errno.EMFILE, ""))
    return MachineError(
        "expected to open a database of DVC, Prefect or MLflow, found that it cannot be opened",
        hint="`ls -ld .local .dvc/tmp /var/tmp/dvc` shows who may write there, `df -h` a full disk",
    )


def _is_program(filename: object) -> bool:
    return isinstance(filename, str) and bool(filename) and os.sep not in filename


def _no_memory(first: str = "") -> MachineError:
    return MachineError(
        "expected enough memory, found no more of it",
        hint=f"{first}end what else runs, build with --jobs 1, or take a machine with more memory; "
        "`ulimit -v` shows whether this shell limits it",
    )


def _no_memory_for(_: OSError) -> MachineError:
    return _no_memory()


def _no_room(error: OSError) -> MachineError:
    where = f" for {error.filename}" if error.filename else ""
    return MachineError(
        f"expected room on the disk{where}, found it full",
        hint="`df -h .` shows the disks, `df -i .` their files; `hallmark prune` removes what old "
        "builds left",
    )


def _over_quota(error: OSError) -> MachineError:
    where = f" for {error.filename}" if error.filename else ""
    return MachineError(
        f"expected room on the disk{where}, found your quota used up",
        hint="`quota -s` shows it; `hallmark prune` removes what old builds left",
    )


def _too_large(error: OSError) -> MachineError:
    return MachineError(
        f"expected to write {error.filename or 'a file'}, found it larger than files may become",
        hint="`ulimit -f` shows the limit of this shell, `ulimit -f unlimited` lifts it",
    )


def _not_allowed(error: OSError) -> MachineError:
    return MachineError(
        f"expected to be allowed to use {error.filename or 'a file'}, found: {error.strerror}",
        hint=f"`ls -ld {error.filename or '.'}` shows whose it is and who may write to it",
    )


def _is_a_folder(error: OSError) -> MachineError:
    return MachineError(
        f"expected a file at {error.filename or 'a path'}, found a folder",
        hint="move the folder away, or name another file",
    )


def _no_folder(error: OSError) -> MachineError:
    return MachineError(
        f"expected a folder on the way to {error.filename or 'a path'}, found a file",
        hint="move the file away: `ls -ld` of each part of the path shows which it is",
    )


def _exists(error: OSError) -> MachineError:
    return MachineError(
        f"expected a folder at {error.filename or 'a path'}, found a file",
        hint="move the file away",
    )


def _disk_failed(error: OSError) -> MachineError:
    return MachineError(
        f"expected to read and write {error.filename or 'the disk'}, found: {error.strerror}",
        hint="`dmesg | tail` says what the disk reports; copy the checkout to another one",
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


def _too_many_processes(_: OSError) -> MachineError:
    return MachineError(
        "expected to start one more process or thread, found as many as are allowed",
        hint="`ulimit -u` shows the limit of this shell; end what else runs, or use --jobs 1",
    )


_WORDS: dict[int | None, Callable[[OSError], MachineError]] = {
    errno.ENOSPC: _no_room,
    errno.EDQUOT: _over_quota,
    errno.EFBIG: _too_large,
    errno.EACCES: _not_allowed,
    errno.EPERM: _not_allowed,
    errno.EROFS: _not_allowed,
    errno.EISDIR: _is_a_folder,
    errno.ENOTDIR: _no_folder,
    errno.EEXIST: _exists,
    errno.EIO: _disk_failed,
    errno.ESTALE: _disk_failed,
    errno.ENOLCK: _disk_failed,
    errno.EADDRINUSE: _port_taken,
    errno.EMFILE: _too_many_files,
    errno.ENFILE: _too_many_files,
    errno.ENOMEM: _no_memory_for,
    errno.EAGAIN: _too_many_processes,
}
_TEXTS = {
    "no space left on device": errno.ENOSPC,
    "disk is full": errno.ENOSPC,
    "disk quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
    "read-only file system": errno.EROFS,
    "attempt to write a readonly database": errno.EROFS,
    "disk i/o error": errno.EIO,
    "too many open files": errno.EMFILE,
    "can't start new thread": errno.EAGAIN,
    "resource temporarily unavailable": errno.EAGAIN,
}
"""How libraries and programs say it that hand on no errno; lower case."""
