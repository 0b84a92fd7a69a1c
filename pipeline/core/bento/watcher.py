"""A service's processes, known by a mark in their environment, and their end.

A process group does not hold them together: BentoML's workers are in sessions of their own.

Run as a program, with a mark, a grace period and a folder, this ends them and removes the folder
when whoever started it is gone: its standard input then closes without the line that says that
there is nothing left to end.
"""

import contextlib
import shutil
import sys
import time

import psutil

MARK = "HALLMARK_SERVED"
"""The variable that a service and all that it starts have in their environment."""
_POLL_S = 0.05


def members(mark: str) -> list[psutil.Process]:
    """The living processes whose environment has this mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
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


if __name__ == "__main__":
    if not sys.stdin.readline():
        end(sys.argv[1], float(sys.argv[2]))
        shutil.rmtree(sys.argv[3], ignore_errors=True)
