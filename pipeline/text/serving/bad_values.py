"""Texts that a service must refuse, for the rehearsal: made without the service's own code."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.core.settings.columns import Columns


def bad_values(
    row: Mapping[str, Any],
    columns: Columns,
    contract: Mapping[str, Any],  # noqa: ARG001 -- as every modality's
    service: Mapping[str, Any],
) -> Iterator[tuple[str, Any, Sequence[str]]]:
    """What is bad about a value, the value, and words that the answer must have.

    Args:
        row: A good row, as requests carry it.
        columns: The project's columns.
        contract: The contract that the service enforces.
        service: The content of service.json: limits of values, and cleaning rules.
    """
    most = service["limits"]["of_values"]["max_text_characters"]
    good = str(row[columns.text or ""])
    yield "an empty text", "", ()
    yield "blanks alone", " \t\n  ", ()
    yield "true", True, ()
    yield "a number", 7, ()
    long = (good * (most // max(len(good), 1) + 1))[: most + 1].ljust(most + 1, "x")
    yield "one character more than may be", long, (str(most),)
