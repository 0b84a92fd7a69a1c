"""The memory that a process and all below it hold, watched while it runs."""

import subprocess
import sys
import threading
from pathlib import Path

import psutil

INTERVAL_S = 0.05


class PeakMemory:
    """Watches a process tree from its start; `bytes` is the largest sum of resident memory seen.

    Pages that processes share count once for each of them, so the sum is rather too high.
    """

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self.bytes

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            self.bytes = max(self.bytes, self._resident())

    def _resident(self) -> int:
        try:
            processes = [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return 0
        total = 0
        for process in processes:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue  # it ended while it was looked at
        return total


def watched(command: list[str], folder: Path, log: Path) -> tuple[int, int]:
    """Run a command in a folder, its words into `log`; its exit code, and its tree's peak bytes."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=subprocess.STDOUT)
        peak = PeakMemory(process.pid)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            sys.exit(130)
        finally:
            peak.stop()
    return code, peak.bytes
