"""What this process, its children and the workers beside it have used: processor, memory, GPU.

A stage's own record comes from the launcher, whose children all workers are. A worker, which
watches the budget while it trains, asks for the others.
"""

import os
import resource
import sys
from contextlib import suppress
from typing import Any

_WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_others: dict[Any, tuple[float, int]] = {}
"""By process: what each other worker had used when it was last asked; it may have ended since."""


def num_workers() -> int:
    """How many processes share this stage's work, this one included, as torch's launcher says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def processor_s() -> float:
    """Seconds of processor time."""
    own, children = (resource.getrusage(who) for who in _WHOSE)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_memory_bytes() -> int:
    """The most memory that one of them has held."""
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, kilobytes elsewhere
    return max(resource.getrusage(who).ru_maxrss for who in _WHOSE) * unit


def of_other_workers() -> tuple[float, int]:
    """Seconds of processor time of this stage's other workers, and the sum of the most memory that
    each was seen to hold; 0 without any."""
    if num_workers() == 1:
        return 0.0, 0
    import psutil

    if len(_others) < num_workers() - 1:  # one may not have been there yet
        for one in psutil.Process(os.getppid()).children():
            with suppress(psutil.Error):
                if one.pid != os.getpid() and one.cmdline()[-1:] == sys.argv[-1:]:
                    _others.setdefault(one, (0.0, 0))
    for one, (_, held) in list(_others.items()):
        with suppress(psutil.Error):
            used = one.cpu_times()
            _others[one] = used.user + used.system, max(held, one.memory_info().rss)
    seen = list(_others.values())
    return sum(seconds for seconds, _ in seen), sum(held for _, held in seen)


def gpu_used() -> dict[str, Any]:
    """The GPU that torch used in this process: its name, its peak memory, and how many there are,
    one for each worker; empty where it used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.max_memory_allocated():
        return {}
    return {
        "device": torch.cuda.get_device_name(),
        "num_devices": num_workers(),
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated(),
    }
