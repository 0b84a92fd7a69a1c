"""What a signal that ended a process means, in words."""

import signal
import threading

from pipeline.core.errors import MachineError

SIGNALLED = 128
"""A process that signal N ended is told by the exit code 128 + N: 137, 139."""
_HINTS: dict[int, str] = {
    signal.SIGKILL: "often the kernel does it for want of memory, which `dmesg | tail` says: end "
    "what else runs, build with --jobs 1, or take a machine with more memory",
    signal.SIGXCPU: "`ulimit -t` shows the seconds of processor time that this shell allows",
    signal.SIGXFSZ: "`ulimit -f` shows how large a file may become in this shell",
    signal.SIGBUS: "often a full disk or /dev/shm, which `df -h` shows, or a failing one",
    **dict.fromkeys(
        (signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE),
        "a library's own code failed: run it again; `ulimit -s` and `ulimit -v` show limits that "
        "may be in its way; tell us with the log if it happens again",
    ),
}


def end_in_words_when_out_of_time() -> None:
    """Have the limit of `ulimit -t` raise an error in the main thread; as it is, it kills."""

    def out_of_time(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise killed("this process", number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGXCPU, out_of_time)


def killed(what: str, number: int, found: str = "") -> MachineError:
    """In words that a signal ended a process. Its exit code is 128 + the signal's number.

    Args:
        what: The process: `the stage`.
        number: The signal.
        found: What is known instead of the signal's number.
    """
    error = MachineError(
        f"expected {what} to end by itself, {found or f'{signal_words(number)} ended it'}",
        hint=_HINTS.get(number, "somebody or something sent it; run the command again"),
    )
    error.exit_code = SIGNALLED + number
    return error


def signal_words(number: int) -> str:
    """`signal 9 (SIGKILL)`."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
