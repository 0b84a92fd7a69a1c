"""Cleaning rules for texts as typed settings; `pipeline/text/data/cleaning.py` applies them."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.cleaning.named_rule import Named


class OfTexts(Named):
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    """Which columns of text."""


class NormalizeText(OfTexts):
    """Bring text into one form of Unicode, take out control signs and invisible ones, and make each
    run of blanks and line breaks one blank; text that was blank alone becomes missing."""

    rule: Literal["normalize_text"]
    form: Literal["NFC", "NFKC"] = "NFC"
    """NFC composes accents; NFKC also turns wide, raised and joined letters into plain ones."""


class StripHtml(OfTexts):
    """Take HTML's tags and comments out of text, each for a blank, and turn its entities, such as
    `&amp;`, into what they stand for."""

    rule: Literal["strip_html"]


class MaskPersonalData(OfTexts):
    """Write `[email]`, `[phone]`, `[card]` or `[url]` where text has one, known by its form; the
    ledger counts them by kind. Names are not found."""

    rule: Literal["mask_personal_data"]
    kinds: Annotated[tuple[Literal["email", "phone", "card", "url"], ...], Field(min_length=1)] = (
        "email",
        "phone",
        "card",
    )
    """What is masked."""


class CutText(OfTexts):
    """Keep the beginning of texts that are too long."""

    rule: Literal["cut_text"]
    max_characters: int = Field(ge=1, json_schema_extra={"unit": "characters"})
    """How much is kept, up to the end of a word where one ends in its last tenth."""


class DropByLength(OfTexts):
    """Drop rows whose text has too few words, or is too long. A missing text has no words."""

    of_requests = False
    rule: Literal["drop_by_length"]
    min_words: int = Field(1, ge=0, json_schema_extra={"unit": "words"})
    """The fewest words: 1 drops what is empty or has signs alone."""
    max_words: int | None = Field(None, ge=1, json_schema_extra={"unit": "words"})
    """The most words."""
    max_characters: int | None = Field(None, ge=1, json_schema_extra={"unit": "characters"})
    """The most characters."""


class DropSameWords(OfTexts):
    """Keep the first of the rows whose texts have the same words, whatever their case, punctuation
    and blanks."""

    compares_rows = True
    of_requests = False
    rule: Literal["drop_same_words"]


TextRule = NormalizeText | StripHtml | MaskPersonalData | CutText | DropByLength | DropSameWords
