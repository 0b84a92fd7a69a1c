"""Read a binary workbook (.xls, .xlsb) in a process of its own, within a limit of memory.

Such a file says itself how much its reader is to reserve, in many places, and a reader that cannot
have it ends its process. `python -m pipeline.ingest.apart FOLDER` is that process: it reads
order.json there, and writes table.arrow, or answer.json.
"""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.core.files import read_json, write_json
from pipeline.ingest.limits import size
from pipeline.ingest.reading_settings import Reading

MEMORY_BYTES = 4 * 2**30
WAIT_S = 900
"""The largest sheet takes a minute."""
HERE = Path(__file__).parents[2]
ORDER, ANSWER, TABLE = "order.json", "answer.json", "table.arrow"


def sheet(path: Path, settings: Reading, source: str) -> pl.DataFrame:
    """The sheet that `settings` name, as a table.

    Raises:
        ProjectError: it cannot be read, or not within the limit.
    """
    with tempfile.TemporaryDirectory() as folder:
        _answer("sheet", path, settings, source, Path(folder))
        return pl.read_ipc(Path(folder) / TABLE)


def best_sheet(path: Path, settings: Reading, source: str) -> dict[str, Any]:
    """The keys of `ingest` that the sheet with the most rows needs; raises as `sheet`."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = _answer("best_sheet", path, settings, source, Path(folder))["found"]
        return found


def _answer(what: str, path: Path, settings: Reading, source: str, folder: Path) -> Any:
    order = {
        "what": what,
        "path": str(path.absolute()),
        "settings": settings.model_dump(mode="json", include=set(Reading.model_fields)),
        "source": source,
    }
    write_json(folder / ORDER, order)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pipeline.ingest.apart", str(folder)],
            cwd=HERE,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},  # each thread reserves memory
            capture_output=True,
            check=False,
            timeout=WAIT_S,
        )
    except subprocess.TimeoutExpired:
        raise ProjectError(
            f"ingest.source: expected {source} to be a workbook that can be read in {WAIT_S} "
            "seconds, its reader was not done",
            hint="is it damaged? open it, and save it as .xlsx or csv",
        ) from None
    if ended.returncode or not (folder / ANSWER).is_file():
        raise ProjectError(
            f"ingest.source: expected {source} to be a workbook that can be read in "
            f"{size(MEMORY_BYTES)} of memory, its reader gave up",
            hint="a cell far from the others needs as much, or the file is damaged: open it, and "
            "save it as .xlsx or csv",
        )
    answer = read_json(folder / ANSWER)
    if "message" in answer:
        raise ProjectError(**answer)
    return answer


def main(folder: Path) -> None:
    from pipeline.ingest import workbooks

    order = read_json(folder / ORDER)
    _limit_memory()
    path, source = Path(order["path"]), order["source"]
    try:
        if order["what"] == "sheet":
            settings = Reading.model_validate(order["settings"])
            workbooks.sheet_of(path, settings, source).write_ipc(folder / TABLE)
            answer: dict[str, Any] = {}
        else:
            answer = {"found": workbooks.best_sheet_of(path, source)}
    except ProjectError as error:
        answer = {"message": error.message, "hint": error.hint, "findings": [*error.findings]}
    write_json(folder / ANSWER, answer)


def _limit_memory() -> None:
    """Where the system knows such a limit."""
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
