"""One stage in several processes, which torch's elastic launcher starts, watches and replaces.

The stage's own process launches them and waits; each runs the same stage on its share of the rows.
When one is killed the launcher ends the others and starts all anew, from the last checkpoint. They
are in sessions of their own, so a worker also ends by itself once its launcher is gone.

As a program, `python -m pipeline.train.loop.parallel ROOT STAGE PROJECT FOLDER`, it is a worker.
"""

import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import Paths
from pipeline.core.run.failures import PANIC, RemoteBug, debugging, place
from pipeline.core.run.machine import of_machine
from pipeline.core.run.signals import signal_words
from pipeline.core.run.told import GPU, tell, told

MAX_RESTARTS = 3
GRACE_S = 3
_LOOK_EVERY_S = 0.5
ERROR, BUG, TOLD = "error.json", "bug-{}.json", "told.json"
"""What workers leave to their launcher; a bug by the number of the restart before it."""
ENVIRONMENT = {
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",  # nobody else hears
    # The launcher's own store would keep what the workers before a restart wrote, and those after
    # it then wait for ever: https://github.com/pytorch/pytorch/issues/135712
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}
"""Of the launcher and its workers."""


def is_worker() -> bool:
    """Whether the launcher started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """This worker's number; 0, which alone writes what a stage writes, without any launcher."""
    return int(os.environ.get("RANK", "0")) if is_worker() else 0


def launch(paths: Paths, num_processes: int) -> None:
    """Run this stage in so many workers and return when they have ended well.

    Raises:
        PipelineError: what a worker refused, or they were ended more often than they are replaced.
        RemoteBug: a bug in a worker, each time that they were replaced.
        KeyboardInterrupt: this process was interrupted; the workers are gone.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _check_devices(num_processes)
    stopped_by: signal.Signals | None = None
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with tempfile.TemporaryDirectory(prefix="hallmark-workers-") as folder:
        os.environ |= ENVIRONMENT
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=num_processes,
            run_id=Path(folder).name,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=MAX_RESTARTS,
            shutdown_timeout=GRACE_S,
        )
        worker = ("-m", __name__, str(paths.root), paths.stage, paths.project, folder)
        try:
            elastic_launch(config, sys.executable)(*worker)
        except SignalException as ended:
            stopped_by = ended.sigval
        except ChildFailedError as failed:
            raise _failure(paths.stage, Path(folder), failed) from None
        finally:
            if (noted := Path(folder) / TOLD).exists():
                for name, content in read_json(noted).items():
                    tell(name, content)
            for number, handler in before.items():
                signal.signal(number, handler)
    if stopped_by:
        _end_by(stopped_by)


def _check_devices(num_processes: int) -> None:
    import torch

    num_devices = torch.cuda.device_count() if torch.cuda.is_available() else num_processes
    if num_devices < num_processes:
        raise ProjectError(
            f"train.num_processes: expected a GPU for each, got {num_processes} processes on "
            f"{num_devices}",
            hint=f"set `train.num_processes: {num_devices}`, or CUDA_VISIBLE_DEVICES= for the CPU",
        )


def _end_by(number: signal.Signals) -> None:
    """End as a stage ends that has no workers."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _failure(stage: str, folder: Path, failed: Any) -> Exception:
    """What the workers refused, a bug that ended them the last time too, or that they are lost."""
    refusal, bug = folder / ERROR, folder / BUG.format(MAX_RESTARTS)
    if refusal.exists():
        return _raised(read_json(refusal))
    codes = {one.exitcode for one in failed.failures.values()}
    killed = {code for code in codes if code < 0} - {-signal.SIGTERM}  # the launcher's, to the rest
    if bug.exists() and not killed:
        content = read_json(bug)
        kind: type[RemoteBug] = type(content["class"], (RemoteBug,), {})
        return kind(content["place"], content["traceback"])
    return _lost(stage, failed)


def _raised(content: dict[str, Any]) -> PipelineError:
    """The error that a worker wrote, of the class that it had there."""
    kinds: dict[str, type[PipelineError]] = {}
    waiting = [PipelineError]
    while waiting:
        kind = waiting.pop()
        kinds[kind.__name__] = kind
        waiting += kind.__subclasses__()
    kind = kinds.get(content["class"], PipelineError)
    error = kind(content["message"], content["hint"], content["findings"])
    error.exit_code = content["exit_code"]
    return error


def _lost(stage: str, failed: Any) -> PipelineError:
    _, first = failed.get_first_failure()
    code = first.exitcode
    how = signal_words(-code) if code < 0 else f"exit code {code}"
    return PipelineError(
        f"{stage}: expected {len(failed.failures)} or more processes to end well, they failed "
        f"{MAX_RESTARTS + 1} times; at last number {first.local_rank} ended by {how}",
        hint="the lines above say why; `train.num_processes: 1` trains without them",
    )


def _work(root: Path, stage: str, project: str, folder: Path) -> int:
    """Run the stage in this worker."""
    import polars  # noqa: F401 -- its own handler, which it sets now, would swallow the signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # at once, also while it waits for the others
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    if (folder / ERROR).exists():  # of the workers before this one, which it would only repeat
        return 1
    return _attempt(root, stage, project, folder)


def _attempt(root: Path, stage: str, project: str, folder: Path) -> int:
    """Run the stage; the folder gets what its record is told, and what went wrong."""
    from pipeline.core.run.energy import counting
    from pipeline.core.run.processor import gpu_used
    from pipeline.core.run.runner import run_stage

    try:
        with counting(0.0 if rank() == 0 else None):
            run_stage(root, stage, project)
    except BaseException as raised:
        known = raised if isinstance(raised, PipelineError) else of_machine(raised)
        if known is not None:
            fields = {"message": known.message, "hint": known.hint, "findings": [*known.findings]}
            kind = {"class": type(known).__name__, "exit_code": known.exit_code}
            write_json(folder / ERROR, {**kind, **fields})
        elif isinstance(raised, Exception) or type(raised).__name__ == PANIC:
            _note_bug(folder, raised)
        else:
            raise
        return 1
    finally:
        if rank() == 0:
            tell(GPU, gpu_used())
            write_json(folder / TOLD, told())
    return 0


def _note_bug(folder: Path, raised: BaseException) -> None:
    """Keep a bug. Of several workers' the first: that it is gone may be all that befell others.

    So it is known to be one only when nobody was killed, and no restart helps.
    """
    if debugging():
        traceback.print_exception(raised)
    shown = "".join(traceback.format_exception(raised))
    own = folder / f"{os.getpid()}.json"
    write_json(own, {"class": type(raised).__name__, "place": place(raised), "traceback": shown})
    with suppress(FileExistsError):
        (folder / BUG.format(os.environ.get("TORCHELASTIC_RESTART_COUNT"))).hardlink_to(own)


def _end_with(parent: int) -> None:
    """Kill this process once its launcher is gone."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    code = _work(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as `python -m pipeline` ends
