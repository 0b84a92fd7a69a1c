"""The energy that a stage uses: counters where the machine has them, else an estimate.

codecarbon reads the processor's counters (RAPL) and the GPU's (NVML); without the former it takes a
stated power for each processor thread and the share of it that this process kept busy. It starts in
a thread of its own and not before a stage has run for a while: its start takes seconds. What was
used before, and all of a short stage, is counted at the stated powers below.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from threading import Lock, Timer
from typing import Any

from pipeline.core.run.processor import of_other_workers, processor_s

THREAD_W, MEMORY_W = 4.0, 10.0
"""Watts of a busy processor thread, and of the memory: what codecarbon 3.3 takes for a processor
that it does not know and for two memory modules."""
J_PER_KWH = 3.6e6
COUNTERS, ESTIMATE = "counters", "estimate"
"""Where a figure comes from; the second is shown beside it."""
MAX_AGE_S = 10.0
"""How old the last reading may be before another is taken."""


def stated_kwh(wall_s: float, cpu_s: float) -> float:
    """Kilowatt-hours of so many seconds and processor seconds at the stated powers."""
    return (MEMORY_W * wall_s + THREAD_W * cpu_s) / J_PER_KWH


class Meter:
    """Counts the energy of this process and its children from now on, and in a worker that of the
    stage's other workers: their GPUs with codecarbon, their processors at the stated power, where
    no counter has them.

    Args:
        after_s: When codecarbon is started; None for never.

    Attributes:
        started: When it began, by time.perf_counter.
    """

    def __init__(self, after_s: float | None = None) -> None:
        self.started, self._processor_s = time.perf_counter(), _processors_s()
        self._lock = Lock()
        self._tracker: Any = None
        self._kept = _Kept()
        self._read_at = self._tracked_from = 0.0
        self._before_kwh = self._others_s = 0.0
        self._counters = False
        self._timer = Timer(after_s or 0.0, self._start)
        self._timer.daemon = True
        if after_s is not None:
            self._timer.start()

    def _start(self) -> None:
        with contextlib.suppress(Exception):  # no energy is worth a training
            tracker, counters = _tracker(self._kept)
            with self._lock:
                self._before_kwh, self._tracked_from = self._stated(), time.perf_counter()
                self._tracker, self._counters = tracker, counters
                self._others_s = of_other_workers()[0]

    def _stated(self) -> float:
        wall_s = time.perf_counter() - self.started
        return stated_kwh(wall_s, _processors_s() - self._processor_s)

    def read(self, max_age_s: float = MAX_AGE_S) -> tuple[float, str]:
        """Kilowatt-hours so far, and where they come from; a reading that is older than `max_age_s`
        is made anew."""
        with self._lock:
            if self._tracker is None:
                return self._stated(), ESTIMATE
            now = time.perf_counter()
            if now - max(self._read_at, self._tracked_from) > max_age_s:
                with contextlib.suppress(Exception):
                    self._tracker.flush()
                    self._read_at = now
            if not self._kept.seconds:
                return self._stated(), ESTIMATE
            power = self._kept.kwh / self._kept.seconds
            kwh = self._before_kwh + power * (now - self._tracked_from)
            if self._counters:
                return kwh, COUNTERS
            return kwh + stated_kwh(0.0, of_other_workers()[0] - self._others_s), ESTIMATE

    def power_w(self) -> tuple[float, str]:
        """Mean watts so far, and where they come from."""
        kwh, source = self.read(max_age_s=0.1)
        return kwh * J_PER_KWH / max(time.perf_counter() - self.started, 1e-3), source

    def close(self) -> tuple[float, str]:
        """The last reading; codecarbon's threads end."""
        self._timer.cancel()
        found = self.read(max_age_s=0.1)
        with self._lock:
            if self._tracker is not None:
                with contextlib.suppress(Exception):
                    self._tracker.stop()
                self._tracker = None
        return found


def _processors_s() -> float:
    return processor_s() + of_other_workers()[0]


class _Kept:
    """Takes codecarbon's figures where it would write them to a file."""

    kwh, seconds = 0.0, 0.0

    def out(self, total: Any, delta: Any) -> None:  # noqa: ARG002 -- codecarbon's signature
        self.kwh, self.seconds = float(total.energy_consumed), float(total.duration)

    def live_out(self, total: Any, delta: Any) -> None:
        self.out(total, delta)

    def exit(self) -> None:
        """Nothing to put away."""


def _tracker(kept: _Kept) -> tuple[Any, bool]:
    """codecarbon, started: no network, no files, no words; and whether it reads counters."""
    from codecarbon import OfflineEmissionsTracker
    from codecarbon.core.cpu import is_rapl_available

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    tracker = OfflineEmissionsTracker(
        country_iso_code="USA",  # for carbon dioxide, which is not taken from here
        output_methods=[],
        output_handlers=[kept],
        log_level="critical",
        allow_multiple_runs=True,
        tracking_mode="process",
    )
    tracker.start()
    return tracker, bool(is_rapl_available())


running: Meter | None = None
"""The meter of the stage that this process runs; None where nobody counts."""


@contextlib.contextmanager
def counting(after_s: float | None) -> Iterator[Meter]:
    """Count for the stage that runs within, and for no other that this process runs later."""
    global running
    before, found = running, Meter(after_s)
    running = found
    try:
        yield found
    finally:
        found.close()
        running = before


def meter() -> Meter:
    """The meter that runs, or one at the stated powers."""
    return running or Meter()
