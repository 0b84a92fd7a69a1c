"""Texts of requests: read within limits, then cleaned, measured, checked and encoded by the stages'
own code. What the cleaning masks, no network sees."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import polars as pl

from pipeline.core.cleaning.rules import Rule
from pipeline.core.cleaning.whole_cells import Unreadable, WholeCells
from pipeline.core.settings.columns import Columns
from pipeline.text.data import cleaning, contract_columns

EXAMPLE = "This is an example of a text."


def cells_of(
    fields: Iterable[Any],
    columns: Columns,
    rules: tuple[Rule, ...],
    encoder: Any,
    enforcement: Any,
) -> WholeCells:
    """How the project's text is read; its field has the limits."""
    name = columns.text or ""
    limits = next(one.limits for one in fields if one.name == name)
    return WholeCells(
        name,
        pl.String(),
        partial(read_value, max_characters=limits["max_text_characters"]),
        described,
        rules,
        cleaning.apply,
        partial(contract_columns.of_rows, columns=columns),
        enforcement.of_whole(name),
        encoder,
    )


def read_value(value: Any, max_characters: int) -> str | None:
    """The text of a JSON value.

    Raises:
        Unreadable: it is no text, an empty one, or too long.
    """
    if value is None:
        return None
    expected = f"a text of 1 to {max_characters:,} characters"
    if not isinstance(value, str):
        raise Unreadable(expected, "no text")
    if not value.strip():
        raise Unreadable(expected, "an empty text")
    if len(value) > max_characters:
        raise Unreadable(expected, described(value))
    return value


def described(text: str) -> str:
    """A text in words that do not repeat it."""
    return f"a text of {len(text):,} characters"


def example(name: str, checks: Sequence[Any]) -> str:  # noqa: ARG001 -- as every modality's
    """A made text."""
    return EXAMPLE
