"""Hand over what Prefect's client still holds back: it sends logs and states in the background."""

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

TIMEOUT_S = 15.0


def flush() -> None:
    """Block until the server has the logs and events of this process, 15 seconds at the most."""
    EventsWorker.drain_all(timeout=TIMEOUT_S)
    APILogWorker.drain_all(timeout=TIMEOUT_S)
