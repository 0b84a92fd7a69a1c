"""Lists of words that stand for each other in the texts of different groups, each with its source.

The lists are data, `word_lists.<list>.json` beside this file. They are of English.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class WordList:
    """Attributes:
    name: What a rule of the gate calls it.
    source: Where the words come from.
    groups: The groups' names.
    words: Rows of words that stand for each other, one of each group.
    before_nouns: The same, where a noun follows.
    as_written: Whether a word counts as it is written alone, as a name does, or in any case.
    in_texts: Whether words are swapped in texts of the data too, or in templates alone.
    templates: Sentences that say nothing of anything; `{}` stands for each of the first group's
        words.
    """

    name: str
    source: str
    groups: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    before_nouns: tuple[tuple[str, ...], ...]
    as_written: bool
    in_texts: bool
    templates: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        return [
            template.replace("{}", row[0])
            for template in self.templates
            for row in (self.words if "{}" in template else self.words[:1])
        ]


@cache
def lists() -> tuple[WordList, ...]:
    """The word lists, by the names of their files."""
    files = sorted(Path(__file__).parent.glob("word_lists.*.json"))
    return tuple(_read(file) for file in files)


def _read(file: Path) -> WordList:
    content = json.loads(file.read_text(encoding="utf-8"))
    content |= {key: tuple(content[key]) for key in ("groups", "templates")}
    content |= {key: tuple(map(tuple, content[key])) for key in ("words", "before_nouns")}
    return WordList(**content)
