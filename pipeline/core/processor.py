"""What this process and its children have used of processor and memory."""

import resource
import sys


def processor_s() -> float:
    """Seconds of processor time."""
    own, children = (resource.getrusage(who) for who in _WHOSE)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_memory_bytes() -> int:
    """The most memory that one of them has held."""
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, kilobytes elsewhere
    return max(resource.getrusage(who).ru_maxrss for who in _WHOSE) * unit


_WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
