"""The style that all pages share."""

from pathlib import Path


def style_sheet() -> str:
    """The text of `style.css`, to stand inside a page: light and dark, screen and paper."""
    return Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
