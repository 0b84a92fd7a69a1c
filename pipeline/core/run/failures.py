"""What stops a run and no code foresaw: bugs of ours.

A bug is told in a paragraph: where it is, and the file that has its traceback. An exception's own
text may hold a row's value, so it goes to that file alone.
"""

import os
import platform
import traceback
from pathlib import Path

from pipeline.core.files import write_text

DEBUG = "HALLMARK_DEBUG"
"""The environment variable that has tracebacks shown, also by stages that DVC runs."""
HERE, PACKAGES = Path(__file__).parents[3], ("pipeline", "flows")
PANIC = "PanicException"
"""What polars raises where its own code fails: no Exception to Python."""


class RemoteBug(Exception):
    """A bug in another process of this stage, with what it was there.

    Args:
        where: As `place` says it.
        shown: Its traceback.
    """

    def __init__(self, where: str, shown: str) -> None:
        super().__init__("in another process of this stage")
        self.place = where
        self.add_note(shown)


def debugging() -> bool:
    """Whether tracebacks are to be shown."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def bug(error: BaseException, target: Path) -> str:
    """Write the traceback of a bug to `target`; return what a person is told of it."""
    shown = "".join(traceback.format_exception(error))
    versions = f"Python {platform.python_version()}, {platform.platform()}"
    try:
        write_text(target, f"{versions}\n\n{shown}")
        kept = f"the full traceback is in {_relative(target)}"
    except OSError as refused:
        kept = f"its traceback could not be written to {target}: {refused.strerror}"
    return (
        f"{place(error)}: this is a bug of ours\n  {kept}\n"
        f"  hint: {DEBUG}=1 shows it here as well; tell us with that file, and whether it happens "
        "again"
    )


def place(error: BaseException) -> str:
    """The line of ours that an exception passed: `pipeline/train/stage.py, line 88, in run`."""
    if isinstance(error, RemoteBug):
        return error.place
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for package in PACKAGES:
            if Path(frame.filename).is_relative_to(HERE / package):
                file = Path(frame.filename).relative_to(HERE).as_posix()
                return f"in {file}, line {frame.lineno}, in {frame.name}"
    return "in no file of ours"


def _relative(target: Path) -> Path:
    return target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target
