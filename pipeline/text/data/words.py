"""What counts as a word of a text, and when two texts have the same words."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import polars as pl


def _marks() -> str:
    """All combining marks of Unicode, as a class of a pattern has them."""
    runs: list[list[int]] = []
    for code in range(0x20000):
        if unicodedata.category(chr(code)).startswith("M"):
            if runs and runs[-1][1] == code - 1:
                runs[-1][1] = code
            else:
                runs.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in runs)


MARKS = _marks() + "\u200c\u200d"
"""Signs that belong to the letter before them, of which `\\w` knows nothing: the vowels of Hindi
and Thai, the points of Arabic and Hebrew; and the joiners."""
PICTURES = "\u2600-\u27bf\U0001f000-\U0001faff"
LETTERS = rf"[^\W_](?:(?!_)[\w{MARKS}])*"
WORD = re.compile(rf"{LETTERS}(?:['’]{LETTERS})*|[{PICTURES}]")
"""Letters and digits with their marks, with apostrophes inside: `isn't` is one word; and an emoji.
A script that is written without blanks gives long words."""


def num_words(text: str) -> int:
    return sum(1 for _ in WORD.finditer(text))


def same(text: str) -> str:
    """What two texts share that have the same words: without case, punctuation, kinds of blanks and
    ways of writing a letter in Unicode. A text without words is itself."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(WORD.findall(plain)) or text


def lengths(values: pl.Series) -> pl.Series:
    """Words of each text (Int64); a missing text has none."""
    return each(values, num_words, pl.Int64())


PROSE = 5


def is_prose(values: pl.Series) -> bool:
    """Whether its texts have at least PROSE words, in the middle: written by people for people, so
    that none of its values is shown, whatever its role."""
    if values.dtype != pl.String:
        return False
    words = lengths(values).drop_nulls().sort()
    return words.len() > 0 and int(words[words.len() // 2]) >= PROSE


def each(values: pl.Series, of: Callable[[str], Any], dtype: pl.DataType) -> pl.Series:
    """What a function gives of each text; missing stays missing."""
    found = [None if text is None else of(text) for text in values]
    return pl.Series(values.name, found, dtype=dtype)
