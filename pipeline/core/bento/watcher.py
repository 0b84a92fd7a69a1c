"""A service's processes, known by a mark in their environment, and their end.

A process group does not hold them together: BentoML's workers are in sessions of their own.

Run as a program, with a mark, a grace period and folders, this ends them and removes the folders
when whoever started it is gone: its standard input then closes without the line that says that
there is nothing left to end.
"""

import contextlib
import errno
import shutil
import sys
import time
from pathlib import Path
from typing import IO

import psutil

MARK = "HALLMARK_SERVED"
"""The variable that a service and all that it starts have in their environment."""
_POLL_S = 0.05
_LOOKS, _PAUSE_S = 3, 0.3


def members(mark: str) -> list[psutil.Process]:
    """The living processes whose environment has this mark.

    Raises:
        OSError: too many files are open to look; that none was found would be a guess.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
    return found


def end(mark: str, grace_s: float) -> int:
    """End all of them, orderly if they can within the grace period; how many were killed.

    Those that started others are told first and end them in order.
    """
    told: set[psutil.Process] = set()
    deadline = time.monotonic() + grace_s
    while (living := members(mark)) and time.monotonic() < deadline:
        pids = {process.pid for process in living}
        for process in living:
            with contextlib.suppress(psutil.Error):
                if process not in told and process.ppid() not in pids:
                    told.add(process)
                    process.terminate()  # psutil compares the create time before it sends
        time.sleep(_POLL_S)
    killed: set[psutil.Process] = set()
    while living := members(mark):
        for process in living:
            killed.add(process)
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_S)
    return len(killed)


def command(mark: str, grace_s: float, *folders: Path) -> list[str]:
    """The words that run this module as a program, in the environment of nobody's making."""
    return [sys.executable, "-I", __file__, mark, str(grace_s), *map(str, folders)]


def watch(source: IO[str], mark: str, grace_s: float, folders: list[str]) -> None:
    """Wait until whoever writes to `source` says that nothing is left, or is gone."""
    if source.readline():
        return
    for _ in range(_LOOKS):  # a process that was being started had no mark yet
        end(mark, grace_s)
        time.sleep(_PAUSE_S)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    watch(sys.stdin, sys.argv[1], float(sys.argv[2]), sys.argv[3:])
