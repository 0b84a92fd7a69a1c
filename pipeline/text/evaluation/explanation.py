"""Attributions of text predictions: Captum's integrated gradients, one number per word."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.core.prediction.prediction import Predictor
from pipeline.text.model.encoding import Inputs

KIND = "tokens"
METHOD = "integrated gradients"
REFERENCE = "a text of as many word pieces, each the mean of those in the explained rows"
STEPS_AT_ONCE = 32
MIN_TEXTS, MAX_WORDS = 3, 40
"""The ranking has words of at least so many texts, and at most so many words."""
CUT = "…"
"""Stands after what was read of a text that is longer."""

Floats = NDArray[np.float64]
Words = list[tuple[str, float]]


@dataclass(frozen=True)
class Attributions:
    """Attributes:
    pieces: What was explained, shape (rows, max_length).
    values: Of each piece, in the network's outputs, logits or numbers, shape (rows, max_length); of
        several classes, for the logit of the decided class.
    logits: The network's outputs, shape (rows,) or (rows, classes).
    errors: Sum of a row's attributions minus (its output - the reference's output), shape (rows,).
    reference: What the rows are compared with, in words.
    words: Each row's words with their attributions, where its text is known.
    """

    pieces: NDArray[np.int64]
    values: Floats
    logits: Floats
    errors: Floats
    reference: str
    words: tuple[Words, ...] = ()


def attributions(model: Predictor, rows: pl.DataFrame, num_steps: int) -> Attributions:
    """Explain each row against one reference: the mean piece of these rows, as often as it has
    pieces."""
    found = explained(model, model.encoder.encode(rows), reference_of(model, rows), num_steps)
    return replace(found, words=tuple(by_word(model, rows, found.values)))


def reference_of(model: Predictor, rows: pl.DataFrame) -> list[float]:
    """What each piece is compared with, as plain data: the mean embedding of these rows' pieces."""
    import torch

    (pieces,) = (torch.from_numpy(values) for values in model.encoder.encode(rows))
    special = torch.tensor(model.encoder.special)
    of_texts = pieces[~torch.isin(pieces, special)]
    with torch.no_grad():
        embedded = model.network.embed(of_texts.reshape(1, -1))[0]
    mean: list[float] = embedded.double().mean(dim=0).nan_to_num().tolist()
    return mean


def explained(
    model: Predictor, encoded: Inputs, reference_values: list[float], num_steps: int
) -> Attributions:
    """Explain encoded rows against a reference that `reference_of` made.

    Each text goes alone, so that no step reads padding. What is no part of a text, such as the
    piece at its beginning, is the reference's own and has no part in the change.
    """
    import torch
    from captum.attr import IntegratedGradients

    (pieces,) = (torch.from_numpy(values) for values in encoded)
    mean = torch.tensor(reference_values, dtype=torch.float32)
    special, padding = torch.tensor(model.encoder.special), model.encoder.padding
    logits = model.logits_of(encoded)
    method = IntegratedGradients(model.network.from_embedded)
    values, errors = np.zeros(pieces.shape), np.zeros(len(pieces))
    for i, row in enumerate(pieces):
        text = row[row != padding].unsqueeze(0)
        if text.numel() == 0:
            continue
        with torch.no_grad():
            embedded = model.network.embed(text)
        reference = torch.where(torch.isin(text, special).unsqueeze(2), embedded, mean)
        parts, delta = method.attribute(
            embedded,
            reference,
            target=int(logits[i].argmax()) if logits.ndim == 2 else None,
            additional_forward_args=(torch.ones_like(text, dtype=torch.bool),),
            n_steps=num_steps,
            internal_batch_size=STEPS_AT_ONCE,
            return_convergence_delta=True,
        )
        values[i, : text.shape[1]] = parts.detach().sum(dim=2)[0].double().numpy()
        errors[i] = delta.item()
    return Attributions(encoded[0], values, logits, errors, REFERENCE)


def by_word(model: Predictor, rows: pl.DataFrame, values: Floats) -> list[Words]:
    """Each text's words, as they stand in it, with the sum of their pieces' attributions."""
    texts = rows[model.encoder.column].cast(pl.String).fill_null("").to_list()
    found = []
    for text, words, of_row in zip(texts, model.encoder.words(rows), values, strict=True):
        row = [(text[at:end], float(of_row[first:last].sum())) for first, last, at, end in words]
        read = words[-1][3] if words else 0
        found.append([*row, (CUT, 0.0)] if text[read:].strip() else row)
    return found


def by_piece(model: Predictor, pieces: NDArray[np.int64], values: Floats) -> Words:
    """A text's pieces, as the vocabulary has them, with their attributions."""
    special = set(model.encoder.special)
    return [
        (model.encoder.name_of(int(piece)), float(value))
        for piece, value in zip(pieces, values, strict=True)
        if int(piece) not in special
    ]


def ranking(found: Attributions, scale: float = 1.0) -> list[dict[str, Any]]:
    """Words by the mean absolute attribution in texts that have them, the largest first; only words
    of several texts, as those of one say more of the text than of the model."""
    by_text: dict[str, list[float]] = defaultdict(list)
    for words in found.words:
        sums: dict[str, float] = defaultdict(float)
        for word, value in words:
            sums[word.casefold()] += value * scale
        for word, value in sums.items():
            by_text[word].append(value)
    ranked = [
        {
            "token": word,
            "mean_absolute": round(float(np.abs(values).mean()), 6),
            "mean": round(float(np.mean(values)), 6),
            "num_texts": len(values),
        }
        for word, values in by_text.items()
        if len(values) >= MIN_TEXTS and word != CUT
    ]
    ranked.sort(key=lambda one: (-float(one["mean_absolute"]), str(one["token"])))  # type: ignore[arg-type]
    return ranked[:MAX_WORDS]


def case(
    model: Predictor,
    found: Attributions,
    index: int,
    row: Mapping[str, Any],
    scale: float = 1.0,
    decimals: int = 6,
) -> dict[str, Any]:
    """One text's words in their order, with their attributions; its pieces where the row has
    another text than was explained, such as one that is not clean.

    Args:
        model: What was explained.
        found: Attributions of several rows.
        index: The row's place among them.
        row: Its values by column.
        scale: Units in one step of the network's output.
        decimals: Of an attribution.
    """
    column = model.encoder.column
    table = pl.DataFrame({column: [row.get(column)]}, schema={column: pl.String})
    explained = slice(index, index + 1)
    if np.array_equal(model.encoder.encode(table)[0], found.pieces[explained]):
        (words,) = by_word(model, table, found.values[explained])
    else:
        words = by_piece(model, found.pieces[index], found.values[index])
    return {
        "tokens": [
            {"token": word, "attribution": round(value * scale, decimals)} for word, value in words
        ]
    }
