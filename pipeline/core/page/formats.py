"""Numbers as pages show them: a share, a number, a value with its interval."""

from typing import Any


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:z.{digits}f}%"


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:z.{digits}f}"


def interval(span: dict[str, Any] | None, as_percent: bool = False) -> str:
    """`0.914 (0.910 to 0.918)`; a dash where nothing was measured."""
    if not span or span["value"] is None:
        return "–"
    shown = percent if as_percent else number
    return f"{shown(span['value'])} ({shown(span['low'])} to {shown(span['high'])})"
