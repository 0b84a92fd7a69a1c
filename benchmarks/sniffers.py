"""Detection of csv dialects and encodings: ours, clevercsv's, DuckDB's, on the tests' files.

A case counts as right when the first rows of data are the expected ones, fields and all. Needs two
packages that Hallmark does not: `uv pip install clevercsv faust-cchardet duckdb`, then
`PYTHONPATH=. python benchmarks/sniffers.py`.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.ingest.reading_settings import Reading
from pipeline.onboarding.reading.reading import detect, read
from tests.unit.onboarding.reading.test_reading import FOUND

Rows = list[tuple[Any, ...]]


def ours(file: Path) -> Rows:
    return read(file.name, Reading(**detect(file)), file.parent).rows()


def clevercsv(file: Path) -> Rows:
    import clevercsv as package
    from clevercsv.encoding import get_encoding

    text = file.read_bytes().decode(get_encoding(str(file)))
    sniffer = package.Sniffer()
    dialect = sniffer.sniff(text, verbose=False)
    rows = [tuple(row) for row in package.reader(io.StringIO(text, newline=""), dialect)]
    return rows[1:] if sniffer.has_header(text) else rows


def duckdb(file: Path) -> Rows:
    import duckdb as package

    return package.read_csv(str(file), all_varchar=True).fetchall()


def is_right(tool: Callable[[Path], Rows], file: Path, expected: Rows) -> bool:
    try:
        found = tool(file)
    except Exception:  # whatever a tool raises, it has not read the file
        return False
    return [row[: len(want)] for row, want in zip(found, expected, strict=False)] == expected


def main() -> None:
    tools = {"ours": ours, "clevercsv": clevercsv, "duckdb": duckdb}
    wrong: dict[str, list[str]] = {name: [] for name in tools}
    with tempfile.TemporaryDirectory() as folder:
        for case, (content, _, expected) in FOUND.items():
            file = Path(folder) / "people.csv"
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            for name, tool in tools.items():
                if not is_right(tool, file, expected):
                    wrong[name].append(case)
    for name, cases in wrong.items():
        print(f"{name:<10} {len(FOUND) - len(cases)} of {len(FOUND)}; wrong: {', '.join(cases)}")


if __name__ == "__main__":
    sys.exit(main())
