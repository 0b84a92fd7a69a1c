"""How a csv is written, as far as its first lines tell: separator, quotes, title lines, header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.ingest.column_names import numbered
from pipeline.ingest.csv_fields import Dialect, records
from pipeline.ingest.csv_text import narrowed

MAX_LINES = 500
MAX_TITLE_LINES = 30
ROW_NAMES = "row_name"
SEPARATORS = (",", ";", "\t", "|", ":", "whitespace")
MISSING = frozenset(("", "?", "-", ".", "na", "n/a", "nan", "null", "none", "nil", "#n/a"))
NUMBER = re.compile(r"[-+]?[$€£]?(\d{1,3}([., ]\d{3})+|\d+)?([.,]\d*)?([eE][-+]?\d+)?\s?%?")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}(:\d{2})?.*)?")


@dataclass(frozen=True)
class _Split:
    """The first lines, taken apart in one way."""

    separator: str
    quote: str
    rows: list[list[str]]
    width: int
    share: float
    skip_lines: int


def guessed(text: str) -> dict[str, Any]:
    """The keys of `ingest` that these first lines need, where they are not the defaults.

    Args:
        text: Whole lines from the beginning of the file.
    """
    lines = text.splitlines(keepends=True)[:MAX_LINES]
    if named := re.fullmatch(r"sep=(.)\s*", lines[0]):
        best = replace(_split(lines[1:], named[1], "double"), skip_lines=1)
    else:
        splits = [_split(lines, one, "double") for one in SEPARATORS]
        consistent = [one for one in splits if one.width > 1 and one.share >= 0.95]
        best = _best(consistent) or splits[0]
    best = _with_quotes(lines, best)
    found = {
        "separator": best.separator,
        "quote": best.quote,
        "skip_lines": best.skip_lines,
        "header": has_header(best.rows),
        "names": _with_name_of_rows(best),
    }
    defaults = {"separator": ",", "quote": "double", "skip_lines": 0, "header": True, "names": []}
    return {key: value for key, value in found.items() if value != defaults[key]}


def _with_name_of_rows(split: _Split) -> list[str]:
    """The names with one for the first column, where R has left it out; else empty."""
    if not split.rows or len(split.rows[0]) != split.width - 1 or split.width < 3:
        return []
    return numbered([ROW_NAMES, *(name.strip() for name in split.rows[0])])


def _split(lines: list[str], separator: str, quote: str) -> _Split:
    spaced = separator == "whitespace"
    text = "".join(lines)
    reader = csv.reader(
        io.StringIO(narrowed(text.encode()).decode() if spaced else text, newline=""),
        delimiter=" " if spaced else separator,
        quotechar={"double": '"', "single": "'", "none": None}[quote],
        quoting=csv.QUOTE_NONE if quote == "none" else csv.QUOTE_MINIMAL,
    )
    rows, before = [], []
    try:
        for row in reader:
            rows.append(row)
            before.append(reader.line_num)
    except csv.Error:
        return _Split(separator, quote, [], 0, 0.0, 0)
    while rows and not rows[-1]:
        rows.pop()
    width = Counter(len(row) for row in rows[len(rows) // 2 :]).most_common(1)[0][0] if rows else 0
    title = next((place for place, row in enumerate(rows) if len(row) == width), 0)
    is_wide = title == 1 and len(rows[0]) > width and not rows[0][0].startswith("#")
    if title > MAX_TITLE_LINES or is_wide or separator == ":":
        title = 0
    lacks_name = title == 1 and len(rows[0]) == width - 1 > 1  # R writes the names of rows so
    table = rows[0 if lacks_name else title :]
    title = 0 if lacks_name else title
    num_alike = sum(len(row) == width for row in table) + lacks_name
    starts_well = bool(table) and (lacks_name or len(table[0]) == width)
    share = num_alike / len(table) if starts_well else 0.0
    return _Split(separator, quote, table, width, share, before[title - 1] if title else 0)


def _best(splits: list[_Split]) -> _Split | None:
    """The way that leaves no other separator inside the fields; then the one with most fields."""

    def rank(one: _Split) -> tuple[bool, bool, int, int]:
        others = [other.separator for other in splits if other.separator != one.separator]
        is_pure = not any(_holds(one.rows, other) for other in others)
        return one.skip_lines == 0, is_pure, one.width, -SEPARATORS.index(one.separator)

    return max(splits, key=rank, default=None)


def _holds(rows: list[list[str]], separator: str) -> bool:
    """Whether most rows have a field with this separator in it; a decimal comma is none."""
    sought = " " if separator == "whitespace" else separator
    num_rows = sum(
        any(sought in field.strip() and not NUMBER.fullmatch(field.strip()) for field in row)
        for row in rows
    )
    return num_rows > len(rows) / 2


def _with_quotes(lines: list[str], split: _Split) -> _Split:
    """The same with the quotes that the file uses: single ones, or none where `"` is text."""
    text = "".join(lines[split.skip_lines :])
    content, separator = text.encode(), split.separator.encode()
    if split.separator == "whitespace":
        content, separator = narrowed(content), b" "
    found = records(content + b"\n", Dialect(separator, b'"', b"\n"))
    if found.stray is not None or not found.end:
        plain = _split(lines, split.separator, "none")
        return plain if plain.width > 1 and plain.share >= 0.95 else split
    if '"' not in text and "'" in text and _is_single_quoted(split.rows):
        return _split(lines, split.separator, "single")
    return split


def _is_single_quoted(rows: list[list[str]]) -> bool:
    """Whether the header or a column stands in single quotes, but for missing values."""
    columns = list(zip(*[row for row in rows if len(row) == len(rows[0])], strict=True))
    for column in [("", *rows[0]), *columns]:
        present = [field for field in column[1:] if field.lower() not in MISSING]
        if present and all(len(one) > 1 and one[0] == one[-1] == "'" for one in present):
            return True
    return False


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it does unless it looks like those below it.

    Text above a column of numbers or dates is a name; a number above such a column is not, unless
    all of them are consecutive, as years or the positions of columns are. Where all is text, names
    do not stand among the values below them.
    """
    if len(rows) < 2 or not rows[0]:
        return True
    width = len(rows[0])
    below = [row for row in rows[1:] if len(row) == width]
    if not below:
        return True
    columns = list(zip(*below, strict=True))
    names, numbers, repeated = 0, [], 0
    for first, column in zip(rows[0], columns, strict=False):
        if first.strip().lower() in MISSING:
            continue
        present = [one for one in column if one.strip().lower() not in MISSING]
        measured = present and sum(map(_is_measured, present)) >= 0.9 * len(present)
        if measured and _is_measured(first):
            numbers.append(first.strip())
        elif measured:
            names += 1
        repeated += first in column
    if names:
        return True
    if numbers:
        return len(numbers) > 1 and _are_consecutive(numbers)
    return repeated < width / 2


def _is_measured(field: str) -> bool:
    text = field.strip()
    return bool(text) and bool(NUMBER.fullmatch(text) or DATE.fullmatch(text))


def _are_consecutive(numbers: list[str]) -> bool:
    if not all(one.isdecimal() for one in numbers):
        return False
    values = [int(one) for one in numbers]
    return values == list(range(values[0], values[0] + len(values)))
