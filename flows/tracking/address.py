"""Where runs are tracked, and how long we are patient with a place that does not answer."""

import contextlib
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.paths import local_state

PATIENCE_S = 30.0
"""For how long a store that is locked or does not answer is tried again."""
PATIENCE_VARIABLE = "HALLMARK_TRACKING_PATIENCE_S"
URI_VARIABLE = "MLFLOW_TRACKING_URI"
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
_PROBE_S = 3.0
_PASSING = ("database is locked", "Max retries exceeded", "Connection refused", "timed out")

T = TypeVar("T")


class TrackingDown(PipelineError):
    """Tracking is locked or does not answer, and did not within our patience."""


def address(root: Path) -> str:
    """Where runs go: MLFLOW_TRACKING_URI, else a sqlite file under `.local/`."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{folder(root) / 'mlflow.db'}"


def folder(root: Path) -> Path:
    return local_state(root) / "mlflow"


def ui_command(root: Path) -> str:
    """How people look at the runs."""
    where = address(root)
    if where.startswith("http"):
        return f"open {where}"
    return f"mlflow ui --backend-store-uri {where}"


def patience_s() -> float:
    """How long to be patient: HALLMARK_TRACKING_PATIENCE_S, else 30 seconds."""
    given = os.environ.get(PATIENCE_VARIABLE) or str(PATIENCE_S)
    try:
        return float(given)
    except ValueError:
        raise ProjectError(f"{PATIENCE_VARIABLE}: expected seconds, got {given!r}") from None


class Patience:
    """Repeats calls to a store that is locked or does not answer; all calls share the time.

    Args:
        where: The store's address.
        limit_s: For how long in all; None for `patience_s()`.
    """

    def __init__(self, where: str, limit_s: float | None = None) -> None:
        self._where = where
        self._limit_s = patience_s() if limit_s is None else limit_s

    def get(self, call: Callable[[], T]) -> T:
        """The answer to a call that may be made several times.

        Raises:
            TrackingDown: the store is out of reach, and our patience is at an end.
        """
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                self._probe()
                return call()
            except Exception as error:
                if not is_passing(error):
                    raise
                pause = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
                attempt += 1
                self._limit_s -= time.monotonic() - began + pause
                if self._limit_s <= 0:
                    raise TrackingDown(f"{self._where}: {_first_line(error)}") from error
                time.sleep(pause)

    def _probe(self) -> None:
        """Ask whether the store answers, sooner than mlflow itself would know."""
        if self._where.startswith("http"):
            with contextlib.suppress(urllib.error.HTTPError):  # it refused us, so it is there
                urllib.request.urlopen(f"{self._where.rstrip('/')}/health", timeout=_PROBE_S)  # noqa: S310
            return
        source = Path(self._where.removeprefix("sqlite:///"))
        if self._where.startswith("sqlite") and source.is_file():
            with contextlib.closing(sqlite3.connect(source, timeout=_PROBE_S)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()


def is_passing(error: Exception) -> bool:
    """Whether waiting may help."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return False
    if isinstance(error, sqlite3.OperationalError | OSError):
        return True
    mlflow = sys.modules.get("mlflow.exceptions")
    if mlflow is not None and isinstance(error, mlflow.MlflowException):
        if error.error_code == "TEMPORARILY_UNAVAILABLE":
            return True
        return any(words in str(error) for words in _PASSING)
    return type(error).__name__ == "OperationalError"  # SQLAlchemy's, while mlflow makes its tables


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
