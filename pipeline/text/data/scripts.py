"""The script that a text is written in, by Unicode's names of its letters."""

import unicodedata
from collections import Counter
from functools import cache


def script(text: str) -> str | None:
    """The script of most of its letters, in lower case: `latin`, `cyrillic`, `han`; None without a
    letter. Of equally many, the first in the alphabet."""
    counts: Counter[str] = Counter()
    for sign, count in Counter(text).items():
        if (found := script_of(sign)) is not None:
            counts[found] += count
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None


@cache
def script_of(sign: str) -> str | None:
    """A letter's script: the first word of its name, `LATIN SMALL LETTER A`; None of other signs.

    Wide, mathematical and other forms count as the letter that they stand for.
    """
    plain = unicodedata.normalize("NFKC", sign)[:1]
    if not plain.isalpha():
        return None
    first = unicodedata.name(plain, "").split(" ")[0].split("-")[0].lower()
    return {"cjk": "han", "kangxi": "han", "modifier": None, "": None}.get(first, first)
