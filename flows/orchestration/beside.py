"""A flow run beside the work that it tells of: no call to Prefect is in the work's way.

The work has the main thread, and so its signals. The flow run has a thread of its own, in which
Prefect may wait for its server and try again; when the work is done, it is waited for as long as
the server answers, and a little longer. A server that is gone costs no build.
"""

import os
import queue
import threading
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

from flows.server.prefect_settings import API_URL, answer

SILENT_S = 15.0
"""So long a server may be silent before it is given up."""
LONGEST_S = 120.0
"""So long it is waited for when it answers, but what is asked of it does not come about."""
_POLL_S = 0.5
_given_up: set[str] = set()
"""Servers that were silent for too long: nothing waits for them again."""

Teller = TypeVar("Teller")
Result = TypeVar("Result")


class Beside(Generic[Teller, Result]):
    """One flow run, and the work beside it.

    Attributes:
        lost: Why Prefect does not know how the work ended; empty when it does.
    """

    def __init__(self) -> None:
        self.lost = ""
        self._begun: queue.Queue[tuple[Context, Teller]] = queue.Queue()
        self._ended: queue.Queue[tuple[Result | None, BaseException | None]] = queue.Queue()
        self._failed: list[BaseException] = []

    def work_of(self, teller: Teller) -> Result:
        """For the flow: hand over who tells Prefect of the work, and wait for its result.

        Raises:
            BaseException: what the work raised.
        """
        self._begun.put((copy_context(), teller))
        result, error = self._ended.get()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # the work's own, whatever that is

    def run(self, flow: Callable[[], Any], work: Callable[[Teller | None], Result]) -> Result:
        """Run the flow in a thread, the work in this one; return the work's result.

        Args:
            flow: Calls `work_of` once.
            work: Gets what the flow hands over, in the flow run's context; None when Prefect
                could not begin the run.

        Raises:
            BaseException: what the work raised.
        """
        inside = copy_context()
        thread = threading.Thread(target=inside.run, args=(self._kept, flow), daemon=True)
        thread.start()
        try:
            patiently(lambda: not self._begun.empty() or not thread.is_alive())
        except BaseException as error:
            self._ended.put((None, error))
            self._wait_for(thread)
            raise
        if self._begun.empty():
            self._give_up(thread)
            self._ended.put((None, KeyboardInterrupt("Prefect began it too late")))
            return work(None)
        context, teller = self._begun.get()
        try:
            result = context.run(work, teller)
        except BaseException as error:
            self._ended.put((None, error))
            self._wait_for(thread)
            raise
        self._ended.put((result, None))
        self._wait_for(thread)
        return result

    def _kept(self, flow: Callable[[], Any]) -> None:
        try:
            flow()
        except BaseException as error:
            self._failed.append(error)

    def _wait_for(self, thread: threading.Thread) -> None:
        if not patiently(lambda: not thread.is_alive()) or self._failed:
            self._give_up(thread)

    def _give_up(self, thread: threading.Thread) -> None:
        if self._failed:
            error = self._failed[0]
            self.lost = f"{type(error).__name__}: {error}".splitlines()[0]
        elif thread.is_alive():
            self.lost = f"its server {os.environ.get(API_URL)} does not answer"
        else:
            self.lost = "it ended the run before that began"


def patiently(is_done: Callable[[], bool]) -> bool:
    """Wait until it is done; False when the server was silent for too long before."""
    server = os.environ.get(API_URL, "")
    began = heard = time.monotonic()
    while not is_done():
        now = time.monotonic()
        if server in _given_up or now - heard > SILENT_S or now - began > LONGEST_S:
            _given_up.add(server)
            return False
        time.sleep(_POLL_S / 10)
        if now - heard > _POLL_S and answer(os.environ) != "does not answer":
            heard = time.monotonic()
    return True
