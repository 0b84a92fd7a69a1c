"""What the name of a column says: its words, and whether they are of a known kind.

The lists of words are data, `column_words.json`; nothing here knows a column of a data set.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

WORDS_FILE = Path(__file__).with_name("column_words.json")


@cache
def words(name: str) -> tuple[str, ...]:
    """A name cut at blanks, signs, digits and capitals: `custID_2` → cust, id."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() or name
    plain = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plain)
    plain = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", plain)
    return tuple(re.findall(r"[^\W\d_]+", plain.lower()))


@cache
def listed(kind: str) -> frozenset[str]:
    """The words of one kind, of `column_words.json`."""
    content: dict[str, list[str]] = json.loads(WORDS_FILE.read_text(encoding="utf-8"))
    return frozenset(content[kind])


def is_of(name: str, kind: str) -> bool:
    """Whether the words of `name` hold one of this kind, or several that stand together."""
    return has_word(name, listed(kind))


def has_word(name: str, known: Iterable[str]) -> bool:
    return found_word(name, known) is not None


def found_word(name: str, known: Iterable[str]) -> str | None:
    """The first of the `known` words or phrases that the name holds."""
    parts = words(name)
    known = known if isinstance(known, set | frozenset) else frozenset(known)
    for length in (3, 2, 1):
        for start in range(len(parts) - length + 1):
            phrase = " ".join(parts[start : start + length])
            if phrase in known:
                return phrase
    return None


def names_an_identifier(name: str) -> bool:
    """`id`, `customerID`, `loan_id`, `custid`; not `paid`."""
    if is_of(name, "identifier"):
        return True
    known = listed("identified")
    return any(
        word.endswith(ending) and word.removesuffix(ending) in known
        for word in words(name)
        for ending in ("id", "no", "nr", "num", "key")
    )
