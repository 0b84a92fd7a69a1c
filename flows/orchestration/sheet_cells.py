"""How numbers stand in the cells of a sheet; what is not there leaves its cell empty."""

from typing import Any

Row = dict[str, Any]


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def rate(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}%"


def interval(low: str, high: str) -> str:
    return f"{low} to {high}" if low and high else ""
