"""A Prefect server for one run: Prefect's own temporary server, in a session of its own.

Prefect can start it by itself, but then Ctrl-C at a terminal ends the server together with the
build that wants to tell it how it ended. Imports no prefect: the server starts while the caller
imports it.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from flows.engine.processes import end_group, is_same_process
from flows.engine.stage_run import PREFECT_SECRETS
from flows.server.own_server import private_home
from flows.server.prefect_settings import (
    API_URL,
    AUTH,
    SERVER_AUTH,
    STARTUP_TIMEOUT_S,
    answer,
    cross_origin,
    environment,
)
from pipeline.core.bento.ports import HOST
from pipeline.core.errors import PipelineError
from pipeline.core.files import write_json

STOP_GRACE_S = 10.0
_POLL_S = 0.1
_COMMAND = (sys.executable, "-m", "flows.server.app", "--descriptor")


class ServerNotStarted(PipelineError):
    """The temporary Prefect server did not come up."""


@contextlib.contextmanager
def temporary_server(root: Path) -> Iterator["StartingServer"]:
    """Start a server and end it with the block. What a killed run has left is ended first."""
    folder = private_home(root) / "temporary"
    folder.mkdir(parents=True, exist_ok=True)
    end_abandoned(folder)
    server = StartingServer(root, folder)
    try:
        yield server
    finally:
        server.stop()


class StartingServer:
    """A server process that may not answer yet, with a secret that only its run knows.

    Two that start at the same time would both set up the database: a lock lets one wait. The port
    is bound here, so that nobody else can be asked in the server's place.

    Attributes:
        url: The address of its API.
        settings: What its clients have in their environment.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._lock = FileLock(folder / "start.lock", timeout=STARTUP_TIMEOUT_S)
        try:
            self._lock.acquire()
        except Timeout:
            raise ServerNotStarted(
                f"expected to start a temporary Prefect server, another start holds {folder} for "
                f"{STARTUP_TIMEOUT_S} s",
                hint="`hallmark build PROJECT --engine` builds without Prefect",
            ) from None
        self._log = folder / f"{os.getpid()}.log"
        self._note = folder / f"{os.getpid()}.json"
        with socket.create_server((HOST, 0), backlog=128) as listener:
            self.url = f"http://{HOST}:{listener.getsockname()[1]}/api"
            self.settings = {API_URL: self.url, AUTH: secrets.token_urlsafe(32)}
            self._process = self._started(root, listener)
        own, theirs = psutil.Process(), psutil.Process(self._process.pid)
        note = {
            "owner": {"pid": own.pid, "create_time": own.create_time()},
            "server": {"pid": theirs.pid, "create_time": theirs.create_time()},
        }
        write_json(self._note, note)

    def _started(self, root: Path, listener: socket.socket) -> "subprocess.Popen[bytes]":
        # Without pages and what only they need.
        pages = {"PREFECT_UI_ENABLED": "0", "PREFECT_API_BLOCKS_REGISTER_ON_START": "false"}
        inherited = {k: v for k, v in os.environ.items() if k not in (API_URL, *PREFECT_SECRETS)}
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [*_COMMAND, str(listener.fileno())],
                env={
                    **inherited,
                    **environment(root),
                    **cross_origin(self.url),
                    **pages,
                    SERVER_AUTH: self.settings[AUTH],
                },
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_it_answers(self) -> None:
        """Block until it does.

        Raises:
            ServerNotStarted: it ended, or 90 seconds went by.
        """
        until = time.monotonic() + STARTUP_TIMEOUT_S
        while answer(self.settings) != "answers":
            code = self._process.poll()
            if code is not None or time.monotonic() > until:
                ended = "none in 90 s" if code is None else f"it ended with code {code}"
                tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-12:])
                raise ServerNotStarted(
                    f"expected a temporary Prefect server to answer, {ended}; its last lines:"
                    f"\n{tail}",
                    hint="`hallmark build PROJECT --engine` builds without Prefect",
                )
            time.sleep(_POLL_S)
        self._lock.release()

    def stop(self) -> None:
        """End it: SIGTERM, on which it stores what it still has in memory; SIGKILL after 10 s."""
        self._lock.release()
        end_group(self._process.pid, STOP_GRACE_S)
        self._process.wait()
        for path in (self._note, self._log):
            path.unlink(missing_ok=True)


def end_abandoned(folder: Path) -> int:
    """End the servers whose run was killed; return how many there were."""
    num_ended = 0
    for note in folder.glob("*.json"):
        try:
            content = json.loads(note.read_text(encoding="utf-8"))
            owner, server = content["owner"], content["server"]
            if is_same_process(owner["pid"], owner["create_time"]):
                continue
            if is_same_process(server["pid"], server["create_time"]):
                num_ended += bool(end_group(server["pid"], STOP_GRACE_S))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # a note that says nothing names nobody to end
        note.unlink(missing_ok=True)
        note.with_suffix(".log").unlink(missing_ok=True)
    return num_ended
