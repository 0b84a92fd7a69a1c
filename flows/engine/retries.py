"""Try again what heals by itself, and nothing else: another's lock, never a refusal or a bug."""

import time
from collections.abc import Callable
from typing import TypeVar

from flows.engine.locks import BuildRunningError
from flows.graph.plan import BusyError

T = TypeVar("T")

WAITS_S = (10.0, 30.0, 60.0)
"""Three more tries, after so many seconds each."""
HEALING: tuple[type[Exception], ...] = (BusyError, BuildRunningError)


def retrying(
    act: Callable[[], T],
    tell: Callable[[str], None],
    healing: tuple[type[Exception], ...] = HEALING,
    waits_s: tuple[float, ...] | None = None,
) -> T:
    """Call `act`; when it raises what heals, wait and call it again.

    Args:
        act: What to try.
        tell: Is told, before each wait, what went wrong and how long the wait is.
        healing: The errors that heal.
        waits_s: Seconds before each further try; WAITS_S when not given.

    Raises:
        Exception: the last try's own.
    """
    waits = WAITS_S if waits_s is None else waits_s
    for number, wait_s in enumerate(waits, start=1):
        try:
            return act()
        except healing as error:
            what = str(error).splitlines()[0]
            tell(f"{what}; try {number + 1} of {len(waits) + 1} in {wait_s:g} s")
            time.sleep(wait_s)
    return act()
