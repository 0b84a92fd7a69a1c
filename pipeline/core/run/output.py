"""Standard output and error that end nothing: neither a reader that has gone nor a full disk.

`hallmark build adult | head -1` builds to its end. What cannot be written is dropped, from the
first failure on; a disk that is full is said at the end.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, TypeVar

T = TypeVar("T")


class Enduring:
    """A stream whose writes never fail.

    Args:
        stream: Where to write.

    Attributes:
        failed: Why the first write failed that did; None when all went well.
        told: Said on standard error when the reader has gone; nothing when empty.
    """

    def __init__(self, stream: TextIO) -> None:
        with suppress(OSError, ValueError):
            os.set_blocking(stream.fileno(), True)  # else a slow reader would count as gone
        self._stream = stream
        self.failed: OSError | None = None
        self.told = ""

    def write(self, text: str) -> int:
        return self._tried(lambda: self._stream.write(text), len(text))

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._tried(self._stream.flush, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def is_full(self) -> bool:
        """Whether what was written is lost, and not just unread."""
        return self.failed is not None and self.failed.errno != errno.EPIPE

    def _tried(self, act: Callable[[], T], otherwise: T) -> T:
        try:
            return act()
        except OSError as error:
            self._drop_the_rest()
            if self.failed is None:
                self.failed = error
                if self.told and not self.is_full:
                    sys.stderr.write(f"{self.told}\n")
            return otherwise

    def _drop_the_rest(self) -> None:
        """Also of what is buffered, which Python writes when it ends."""
        with suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)


class Output:
    """Both streams of a process while they endure."""

    def __init__(self) -> None:
        self.streams = (_enduring(sys.stdout), _enduring(sys.stderr))

    @property
    def lost(self) -> OSError | None:
        """Why part of standard output is lost; None when it is not, or its reader ended first."""
        stream = self.streams[0]
        if stream is None:
            return None
        stream.flush()
        return stream.failed if stream.is_full else None


@contextmanager
def enduring() -> Iterator[Output]:
    """Let no write to standard output or error fail while the block runs."""
    before = sys.stdout, sys.stderr
    output = Output()
    sys.stdout, sys.stderr = output.streams
    try:
        yield output
    finally:
        for stream in output.streams:
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


def _enduring(stream: Any) -> Any:
    """A stream that was closed before Python began stays None."""
    return stream if stream is None or isinstance(stream, Enduring) else Enduring(stream)


def when_unread(words: str) -> None:
    """Say this on standard error once nobody reads standard output any more."""
    if isinstance(sys.stdout, Enduring):
        sys.stdout.told = words
