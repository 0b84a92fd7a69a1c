"""Made texts whose outcome a word decides, and networks small enough for a test."""

import json
import random
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.settings.columns import Columns
from pipeline.text.model.encoding import Encoder, fit
from pipeline.text.settings import EncoderSettings

COLUMNS = Columns(target="liked", positive="yes", text="words", drop={"id": "a number"})
GOOD, BAD = ("lovely", "delicious", "perfect"), ("awful", "stale", "rancid")
PLAIN = ("the", "tea", "box", "came", "today", "with", "biscuits", "for", "my", "dog", "again")


def texts(num_rows: int, seed: int = 0) -> pl.DataFrame:
    """Texts of 3 to 14 words, one of which says the outcome."""
    draw = random.Random(seed)  # noqa: S311 -- no secret
    rows = []
    for i in range(num_rows):
        liked = draw.random() < 0.5
        words = draw.choices(PLAIN, k=draw.randint(2, 13))
        words.insert(draw.randint(0, len(words)), draw.choice(GOOD if liked else BAD))
        rows.append({"id": i, "words": " ".join(words), "liked": "yes" if liked else "no"})
    return pl.DataFrame(rows)


def encoder_of(table: pl.DataFrame, **settings: Any) -> Encoder:
    return fit(table, COLUMNS, EncoderSettings(**{"max_length": 16, **settings}))


def tiny_bert(folder: Path, **config: Any) -> Path:
    """A folder with a BERT of three layers and random weights, and its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *PLAIN, "un", "##able", "##s"]
    special = [
        {"id": i, "content": word, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False, "special": True}
        for i, word in enumerate(words[:4])
    ]
    around = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": around,
            "pair": around,
            "special_tokens": {
                name: {"id": name, "ids": [words.index(name)], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: i for i, word in enumerate(words)},
        },
    }
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    shape |= {"intermediate_size": 32, "max_position_embeddings": 32, "vocab_size": len(words)}
    BertModel(BertConfig(**{**shape, **config})).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder
