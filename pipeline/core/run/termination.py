"""SIGTERM as an exception, so that what must be put away is put away."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, as SIGINT is; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, _interrupt) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what follows ends within the grace period
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)
