"""How texts are cleaned: by the rules that every modality knows, and by these."""

import html
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import polars as pl

from pipeline.core.cleaning.cleaning import Cleaner
from pipeline.core.cleaning.cleaning_rules import Change, keeping, num_changed, text
from pipeline.core.cleaning.text_rules import CutText, DropByLength, DropSameWords, MaskPersonalData, NormalizeText, StripHtml, TextRule
from pipeline.text.data.personal_data import masked
from pipeline.text.data.words import each, lengths, same

INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Signs that show nothing. The joiners U+200C and U+200D stay: Persian and emoji need them."""
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
TAG = re.compile(
    r"<!--(?:(?!<!--).)*?-->|<(script|style)\b(?:(?!<(?:script|style)\b).)*?</\1\s*>"
    r"|</?(?:a|abbr|b|big|blockquote|body|br|center|code|dd|div|dl|dt|em|font|form|h[1-6]|head|hr"
    r"|html|i|iframe|img|input|li|link|meta|ol|p|pre|s|script|small|span|strike|strong|style|sub|sup"
    r"|table|tbody|td|th|thead|title|tr|tt|u|ul)(?:\s[^<>]{0,2000})?/?>",
    re.IGNORECASE | re.DOTALL,
)
"""HTML's own tags by name: `<3` and `a < b` stay."""
ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
WHOLE_WORDS = 0.9
"""A cut goes back to the end of a word, but not below this share of what may be kept."""


def normalized(value: str, form: Literal["NFC", "NFKC"]) -> str | None:
    """One form of Unicode, no invisible signs, single blanks; None where nothing is left."""
    plain = INVISIBLE.sub("", unicodedata.normalize(form, value))
    return " ".join(CONTROL.sub(" ", plain).split()) or None


def without_html(value: str) -> str:
    """No tags, each of which becomes a blank, and no entities."""
    return ENTITY.sub(lambda found: html.unescape(found[0]), TAG.sub(" ", value))


def cut(value: str, max_characters: int) -> str:
    """The beginning, up to the end of a word where there is one near."""
    if len(value) <= max_characters:
        return value
    kept = value[:max_characters]
    end = max(kept.rfind(" "), kept.rfind("\n")) if not value[max_characters].isspace() else -1
    return kept[:end] if end >= WHOLE_WORDS * max_characters else kept


def _normalize(rule: NormalizeText, table: pl.DataFrame) -> Change:
    return _changed(rule, table, lambda value: normalized(value, rule.form))


def _strip_html(rule: StripHtml, table: pl.DataFrame) -> Change:
    return _changed(rule, table, without_html)


def _cut(rule: CutText, table: pl.DataFrame) -> Change:
    return _changed(rule, table, lambda value: cut(value, rule.max_characters))


def _mask(rule: MaskPersonalData, table: pl.DataFrame) -> Change:
    counts: Counter[str] = Counter()

    def mask(value: str) -> str:
        plain, found = masked(value, rule.kinds)
        counts.update(found)
        return plain

    change = _changed(rule, table, mask)
    return Change(change.table, change.cells, found={kind: counts[kind] for kind in rule.kinds})


def _changed(rule: TextRule, table: pl.DataFrame, of: Callable[[str], str | None]) -> Change:
    """Each text of the rule's columns as a function has it."""
    cells = {}
    for name in rule.columns:
        before = text(rule, table[name])
        after = each(before, of, pl.String())
        cells[name] = num_changed(before, after)
        table = table.with_columns(after)
    return Change(table, cells)


def _drop_by_length(rule: DropByLength, table: pl.DataFrame) -> Change:
    kept, counts = table, Counter[str]()
    for name in rule.columns:
        values = text(rule, kept[name])
        words = lengths(values).fill_null(0)
        is_short = words < rule.min_words
        characters = values.str.len_chars().fill_null(0)
        is_long = (words > (rule.max_words or math.inf)) | (
            characters > (rule.max_characters or math.inf)
        )
        kept = kept.filter(~is_short & ~is_long)
        counts += Counter(short=int(is_short.sum()), long=int((is_long & ~is_short).sum()))
    change = keeping(table, kept)
    return replace(change, found={"short": counts["short"], "long": counts["long"]})


def _drop_same_words(rule: DropSameWords, table: pl.DataFrame) -> Change:
    words = table.select(each(text(rule, table[name]), same, pl.String()) for name in rule.columns)
    return keeping(
        table, table.filter(words.select(pl.struct(pl.all()).is_first_distinct()).to_series())
    )


CLEANER = Cleaner(
    own={
        "normalize_text": _normalize,
        "strip_html": _strip_html,
        "mask_personal_data": _mask,
        "cut_text": _cut,
        "drop_by_length": _drop_by_length,
        "drop_same_words": _drop_same_words,
    }
)
apply, cleaned, cleaned_scan = CLEANER.apply, CLEANER.cleaned, CLEANER.cleaned_scan
