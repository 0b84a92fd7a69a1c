"""DVC processes that have imported DVC before their stage is known.

A `dvc` command spends most of its second on imports. `Spares` keeps one process waiting that has
done them, while the stage before is still at work; it then runs exactly `dvc ARGUMENTS…`.
Run as `python -m flows.engine.dvc_process`, this module is that process.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.engine.orphans import end_own_group, when_parent_ends
from pipeline.core.files import replacing

DVC_LOG = "dvc.log"
"""In the build's folder: what waiting processes say, which have no stage's log yet."""


class Spares:
    """Waiting DVC processes, each replaced when it is taken. Safe to use from several threads.

    None is started before the first is asked for: a build that finds all fresh needs none.

    Args:
        cwd: The checkout.
        env: The environment of every process.
        folder: The build's, for what they say while they wait.
        num_waiting: How many wait at a time.
    """

    def __init__(self, cwd: Path, env: Mapping[str, str], folder: Path, num_waiting: int) -> None:
        self.cwd = cwd
        self.folder = folder
        self.env = dict(env)
        self.num_waiting = num_waiting
        self._guard = threading.Lock()
        self._waiting: deque[subprocess.Popen[bytes]] = deque()

    def take(self, arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start `dvc ARGUMENTS…` in a process group of its own, with its output in `log`."""
        with self._guard:
            process = self._waiting.popleft() if self._waiting else self._start()
            while len(self._waiting) < self.num_waiting:
                self._waiting.append(self._start())
        order = json.dumps({"arguments": list(arguments), "log": str(log)}) + "\n"
        assert process.stdin is not None  # noqa: S101 -- narrows the type: it was asked for
        try:
            process.stdin.write(order.encode())
            process.stdin.close()
        except BrokenPipeError:  # it died while it waited; its exit code tells
            pass
        return process

    def close(self) -> None:
        """End the processes that still wait."""
        with self._guard:
            for process in self._waiting:
                process.kill()
                process.communicate()
            self._waiting.clear()
        log = self.folder / DVC_LOG
        with contextlib.suppress(OSError):
            if log.stat().st_size == 0:
                log.unlink()

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self.folder / DVC_LOG).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flows.engine.dvc_process"],
                cwd=self.cwd,
                env={**self.env, "PYTHONPATH": _with_this_package(self.env)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )


def _with_this_package(env: Mapping[str, str]) -> str:
    here = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, (env.get("PYTHONPATH"), here)))


def wait_and_run() -> None:
    """Import DVC, wait for one order on standard input, carry it out; end when there is none."""
    import dvc.cachemgr
    import dvc.data_cloud
    import dvc.repo.reproduce
    import dvc.stage.cache
    import dvc.stage.run  # noqa: F401 -- imported so that it is there
    from dvc.cli import main
    from dvc.cli.parser import get_main_parser

    get_main_parser()  # imports the commands
    write_locks_whole()
    line = sys.stdin.readline()
    if not line:
        return
    order = json.loads(line)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    with when_parent_ends(end_own_group):
        code = main(order["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking the interpreter apart would take as long as a small stage


def write_locks_whole() -> None:
    """Have DVC in this process write dvc.lock whole or not at all: it empties the file first, and
    on a full disk leaves it so."""
    from dvc.utils.serialize import _common

    in_place = _common._dump_data

    def whole(path: Any, data: Any, dumper: Any, fs: Any = None, **options: Any) -> None:
        with replacing(Path(path)) as temporary:
            in_place(str(temporary), data, dumper=dumper, fs=fs, **options)

    _common._dump_data = whole


if __name__ == "__main__":
    wait_and_run()
