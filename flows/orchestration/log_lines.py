"""Follow a growing log: whole lines as people should read them."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY_S = 0.5
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class LogLines:
    """Hands out the lines that a log has gained. A progress bar counts by its last state."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self._position = 0
        self._rest = b""

    def new(self, is_whole: bool = False) -> list[str]:
        """The lines since the last call.

        Args:
            is_whole: Nothing more will be written: what stands after the last end of line counts.
        """
        try:
            with self.source.open("rb") as stream:
                stream.seek(self._position)
                added = stream.read()
        except FileNotFoundError:
            return []
        self._position += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        if is_whole:
            lines, self._rest = [*lines, self._rest], b""
        return [text for line in lines if (text := plain(line.decode("utf-8", "replace")))]


def plain(line: str) -> str:
    """A line without colours; of what a progress bar wrote over itself, the last state."""
    states = _COLOURS.sub("", line).split("\r")
    return next((state.rstrip() for state in reversed(states) if state.strip()), "")


@contextmanager
def every(act: Callable[[bool], None], seconds: float = EVERY_S) -> Iterator[None]:
    """Call `act(False)` again and again in a thread, and `act(True)` once at the end."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(seconds):
            act(False)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        act(True)
