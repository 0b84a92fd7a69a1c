"""End what would go on after its parent was killed.

A worker that is stopped kills the process of a run, and one that is killed leaves it alone. So a
run ends once its worker is gone, and a stage once its build is gone, within seconds.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

EVERY_S = 1.0
GRACE_S = 5.0


@contextlib.contextmanager
def when_parent_ends(act: Callable[[], None], every_s: float = EVERY_S) -> Iterator[None]:
    """Call `act` in a thread once this process's parent has ended.

    Args:
        act: What to do then.
        every_s: How often to look.
    """
    parent = os.getppid()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            if os.getppid() != parent:
                act()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def terminate_self() -> None:
    """Ask this process to end, as its worker would have."""
    os.kill(os.getpid(), signal.SIGTERM)


def end_own_group() -> None:
    """End the process group that this process leads: the others first, after a grace all."""
    from flows.engine.processes import group

    own = os.getpid()
    until = time.monotonic() + GRACE_S
    told: set[int] = set()
    try:
        while (
            others := [one for one in group(own) if one.pid != own]
        ) and time.monotonic() < until:
            for one in others:
                if one.pid not in told:
                    told.add(one.pid)
                    with contextlib.suppress(OSError):
                        os.kill(one.pid, signal.SIGTERM)
            time.sleep(0.05)
    finally:  # whatever the looking came upon: nobody else would end them
        os.killpg(own, signal.SIGKILL)
