"""From texts to word pieces: fitted on training rows, or a pretrained encoder's own; JSON.

The pieces are those of byte-pair encoding (R. Sennrich et al., Neural machine translation of rare
words with subword units, ACL 2016), which the package `tokenizers` learns the same way again; its
trainer of WordPiece does not. A piece that no training row had is unknown.
"""

import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import BertNormalizer, Normalizer, Replace, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import BpeTrainer

from pipeline.core.errors import ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.problems import nearest
from pipeline.text.settings import EncoderSettings

if TYPE_CHECKING:
    from pipeline.text.data.word_lists import WordList

PADDING, UNKNOWN = "[PAD]", "[UNK]"
MAX_CHARACTERS_PER_PIECE = 64
"""A text is cut before it is read where it is longer than all its pieces could be."""
TRAINED = "trained"

Inputs = tuple[NDArray[np.int64]]


@dataclass(frozen=True)
class Encoder:
    """What was fitted.

    Attributes:
        column: The column of texts.
        source: `trained`, or where the tokenizer comes from.
        max_length: Pieces that are read of a text.
        tokenizer: The state of the package `tokenizers`, padding and truncation included.
    """

    column: str
    source: str
    max_length: int
    tokenizer: dict[str, Any]

    @cached_property
    def _reader(self) -> Tokenizer:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads survive no fork
        return Tokenizer.from_str(json.dumps(self.tokenizer))

    @property
    def columns(self) -> list[str]:
        return [self.column]

    @property
    def padding(self) -> int:
        """What fills a text up to `max_length`, at its end."""
        return int(self.tokenizer["padding"]["pad_id"])

    @property
    def unknown(self) -> int:
        """What a piece is that the vocabulary lacks; without one, padding."""
        known = self._reader.token_to_id(self.tokenizer["model"].get("unk_token") or UNKNOWN)
        return self.padding if known is None else int(known)

    @property
    def special(self) -> list[int]:
        """The pieces that are no part of a text, such as its beginning and padding."""
        added = {one["id"] for one in self.tokenizer["added_tokens"] if one["special"]}
        return sorted((added - {self.unknown}) | {self.padding})

    def encode(self, table: pl.DataFrame) -> Inputs:
        """Each text's pieces, int64, shape (rows, max_length), padding at the end."""
        found = [one.ids for one in self._read(table)]
        return (np.array(found, dtype=np.int64).reshape(table.height, self.max_length),)

    def words(self, table: pl.DataFrame) -> list[list[tuple[int, int, int, int]]]:
        """Each text's words, first to last: its first piece and the one after its last, and where
        in the text it begins and ends."""
        return [_words(one.word_ids, one.offsets) for one in self._read(table)]

    def name_of(self, piece: int) -> str:
        """How the vocabulary writes a piece."""
        return str(self._reader.id_to_token(piece))

    def _read(self, table: pl.DataFrame) -> list[Any]:
        texts = table[self.column].cast(pl.String).fill_null("")
        most = MAX_CHARACTERS_PER_PIECE * self.max_length
        found: list[Any] = self._reader.encode_batch(texts.str.slice(0, most).to_list())
        return found

    def architecture(self) -> dict[str, Any]:
        """What the network must know of the encoding."""
        return {
            "num_pieces": self._reader.get_vocab_size(),
            "padding": self.padding,
            "max_length": self.max_length,
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "source": self.source,
            "max_length": self.max_length,
            "tokenizer": self.tokenizer,
        }

    @staticmethod
    def from_dict(state: dict[str, Any]) -> "Encoder":
        return Encoder(**state)


def fit(table: pl.DataFrame, columns: Columns, settings: EncoderSettings) -> Encoder:
    """Learn word pieces from training rows, or take a pretrained encoder's."""
    column = text_of(columns)
    if settings.tokenizer == TRAINED:
        reader = trained(table[column].cast(pl.String).fill_null("").to_list(), settings)
    else:
        from pipeline.text.model.weights import tokenizer_of

        reader = tokenizer_of(settings.tokenizer)
        reader.normalizer = without(settings.ignored_words, reader.normalizer)
    reader.enable_truncation(settings.max_length)
    state = reader.padding or {}
    name = state.get("pad_token", PADDING)
    index = reader.token_to_id(name)
    reader.enable_padding(
        direction="right", pad_id=index or 0, pad_token=name, length=settings.max_length
    )
    return Encoder(column, settings.tokenizer, settings.max_length, json.loads(reader.to_str()))


def text_of(columns: Columns) -> str:
    """The column of texts, which must be the only feature."""
    if columns.text is None or columns.features != (columns.text,):
        found = ", ".join(columns.features) or "none"
        raise ProjectError(
            f"columns.text: expected one text as the only feature of a text project, found {found}",
            hint="name the text under `columns.text`; other columns may be sensitive, or stand "
            "under `columns.drop` with the reason",
        )
    return columns.text


def trained(texts: list[str], settings: EncoderSettings) -> Tokenizer:
    """A tokenizer whose pieces are learnt; the same texts in any order of threads give the same."""
    reader = Tokenizer(BPE(unk_token=UNKNOWN))
    plain = BertNormalizer(lowercase=settings.lowercase)
    reader.normalizer = without(settings.ignored_words, plain)
    reader.pre_tokenizer = BertPreTokenizer()
    teacher = BpeTrainer(
        vocab_size=settings.vocabulary_size,
        min_frequency=2,
        special_tokens=[PADDING, UNKNOWN],
        show_progress=False,
    )
    reader.train_from_iterator(texts, trainer=teacher)
    return reader


def without(names: tuple[str, ...], normalizer: Normalizer | None) -> Normalizer | None:
    """A normalizer that first writes a blank for each word of the lists of these names, with the
    article before it: `an` would tell which word was there.

    Raises:
        ProjectError: there is no such list.
    """
    from pipeline.text.data.word_lists import lists

    known = {one.name: one for one in lists()}
    for name in names:
        if name not in known:
            raise ProjectError(
                f"train.encoder.ignored_words: expected a word list "
                f"(pipeline/text/data/word_lists.<list>.json), got {name!r}",
                hint=nearest(name, known),
            )
    if not names:
        return normalizer
    blanks = [Replace(Regex(_words_of(known[name])), " ") for name in names]
    return Sequence([*blanks, *([normalizer] if normalizer else [])])


def _words_of(one: "WordList") -> str:
    """What finds a list's words, in any case but where they count as written or all in capitals."""
    forms = {word for row in (*one.words, *one.before_nouns) for word in row}
    if one.as_written:
        forms |= {word.upper() for word in forms}
    either = "|".join(map(re.escape, sorted(forms, key=lambda word: (-len(word), word))))
    found = rf"(?:\b[Aa]n? )?(?<!\w)(?:{either})(?!\w)"
    return found if one.as_written else f"(?i:{found})"


def gaps(table: pl.DataFrame, encoder: Encoder) -> list[dict[str, Any]]:
    """The texts that training rows lack: how many; they are read as empty ones."""
    num = table[encoder.column].null_count()
    found = {"column": encoder.column, "rule": "level", "num_missing": num, "median": None}
    return [found] if num else []


def _words(
    numbers: list[int | None], offsets: list[tuple[int, int]]
) -> list[tuple[int, int, int, int]]:
    """Neighbouring pieces of one word put together; pieces without a word are left out."""
    found: list[tuple[int, int, int, int]] = []
    last = None
    for place, (number, (start, end)) in enumerate(zip(numbers, offsets, strict=True)):
        if number is None:
            continue
        if number == last:
            found[-1] = (found[-1][0], place + 1, found[-1][2], end)
        else:
            found.append((place, place + 1, start, end))
        last = number
    return found
