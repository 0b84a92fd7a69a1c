"""The same texts with the words of other groups: names, gendered words, religions, nationalities.

The words are those of `word_lists`. In another language no text has such a word, and the sentences
say nothing.
"""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import polars as pl

from pipeline.core.scoring.counterfactuals import Versions
from pipeline.core.settings.columns import Columns
from pipeline.text.data.word_lists import WordList, lists

NO_NOUNS = """
a about after again all also am an and are as at because before but by down for from had has
he i if in into is it just like not now of off on or out over she since so than that the then they
this to too under up very was we were when while who will with would yesterday you"""
"""Before these words, `her` is no possessive: it is `him`, and before others `his`."""


def groupings() -> tuple[str, ...]:
    """What a rule of the gate may name under `by`: a list in texts, and in templates."""
    return tuple(
        name
        for one in lists()
        for name in ((one.name,) if one.in_texts else ()) + (in_templates(one),)
    )


def in_templates(one: WordList) -> str:
    return f"{one.name}, in templates"


def versions(table: pl.DataFrame, columns: Columns, max_texts: int, seed: int) -> list[Versions]:
    """The table's texts that have a word of a list, and the list's templates, one version of each
    for each group.

    Args:
        table: Rows with the text.
        columns: Which of them is the text.
        max_texts: Of more texts with such words, a sample is taken.
        seed: Of the sample.
    """
    name = str(columns.text)
    found = []
    for one in lists():
        if one.in_texts:
            swapped = [None if text is None else swap(text, one) for text in table[name]]
            touched = [place for place, texts in enumerate(swapped) if texts]
            taken = _sampled(touched, max_texts, seed)
            texts = [swapped[place] or () for place in taken]
            rows = table["_row"].gather(taken).to_list()
            found.append(
                _versions(one.name, one, name, texts, (len(touched), table.height), rows=rows)
            )
        sentences = one.sentences
        texts = [swap(text, one) or () for text in sentences]
        sizes = (len(texts), len(texts))
        found.append(_versions(in_templates(one), one, name, texts, sizes, templates=sentences))
    return found


def _versions(
    by: str,
    one: WordList,
    column: str,
    texts: Sequence[Sequence[str]],
    sizes: tuple[int, int],
    rows: Sequence[int] = (),
    templates: Sequence[str] = (),
) -> Versions:
    tables = [
        pl.DataFrame({column: pl.Series([text[k] for text in texts], dtype=pl.String)})
        for k in range(len(one.groups))
    ]
    return Versions(by, one.source, one.groups, tables, *sizes, tuple(rows), tuple(templates))


def _sampled(places: list[int], at_most: int, seed: int) -> list[int]:
    if len(places) <= at_most:
        return places
    drawn = np.random.default_rng(seed).choice(len(places), at_most, replace=False)
    return [places[int(i)] for i in np.sort(drawn)]


def swap(text: str, one: WordList) -> tuple[str, ...] | None:
    """The text once for each group, all words of the list in the form of that group; None where it
    has none. Case is kept, and `a` becomes `an` before a vowel."""
    pattern, words, nouns = _compiled(one)
    if not pattern.search(text):
        return None

    def version(group: int) -> str:
        def other(match: re.Match[str]) -> str:
            written, key = match["word"], match["word"].lower()
            row = nouns[key] if key in nouns and _noun_follows(text, match.end()) else words[key]
            if row[group].lower() == key:
                return match[0]
            word = _cased(row[group], written, one.as_written)
            return _article(match["article"], word) + word

        return pattern.sub(other, text)

    return tuple(version(group) for group in range(len(one.groups)))


Rows = dict[str, tuple[str, ...]]


@cache
def _compiled(one: WordList) -> tuple[re.Pattern[str], Rows, Rows]:
    """What finds the list's words, and their rows by each word in lower case."""
    words, nouns = (
        {word.lower(): row for row in rows for word in row}
        for rows in (one.words, one.before_nouns)
    )
    forms = {word for row in (*one.words, *one.before_nouns) for word in row}
    forms |= {word.upper() for word in forms}
    either = "|".join(map(re.escape, sorted(forms, key=lambda word: (-len(word), word))))
    found = rf"(?:\b(?P<article>[Aa]n?) )?(?<!\w)(?P<word>{either})(?!\w)"
    return re.compile(found, 0 if one.as_written else re.IGNORECASE), words, nouns


def _noun_follows(text: str, end: int) -> bool:
    following = re.compile(r"\s+([^\W\d_]+)").match(text, end)
    return following is not None and following[1].lower() not in NO_NOUNS.split()


def _cased(word: str, written: str, as_written: bool) -> str:
    if written.isupper() and len(written) > 1:
        return word.upper()
    return word if as_written or written.islower() else word[0].upper() + word[1:]


def _article(written: str | None, word: str) -> str:
    if not written:
        return ""
    return written[0] + ("n " if word[0].lower() in "aeiou" else " ")
