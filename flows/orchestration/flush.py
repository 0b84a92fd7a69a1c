"""Hand over what Prefect's client still holds back: it sends logs and states in the background.

At the end of Python it waits for its server without a limit. So a process that has run a flow
hands over what it can, and then ends at once: see `leave`.
"""

import threading

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from flows.orchestration.beside import patiently

TIMEOUT_S = 15.0


def flush() -> bool:
    """Block until the server has the logs and events of this process; False when it does not take
    them. Bounded: see `beside.patiently`."""
    left: list[int] = []

    def drain() -> None:
        for worker in (EventsWorker, APILogWorker):
            found = worker.drain_all(timeout=TIMEOUT_S)
            left.append(len(found[1]) if isinstance(found, tuple) else 0)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    return patiently(lambda: not thread.is_alive()) and not any(left)
