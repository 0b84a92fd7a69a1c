"""What the profile says of columns that are images or texts, in a sentence for the card."""

from collections.abc import Mapping, Sequence
from typing import Any


def of_whole(column: Mapping[str, Any]) -> str:
    """A column of images or texts in words; empty where it is neither."""
    if found := column.get("images"):
        return _images(found)
    return _texts(column["texts"]) if column.get("texts") else ""


def _images(found: Mapping[str, Any]) -> str:
    others = found["num_sizes"] - len(found["sizes"])
    parts = [
        _counts(found["formats"]),
        f"channels {_counts(found['modes'])}",
        f"pixels {_counts(found['sizes'])}{f' and {others:,} other sizes' if others else ''}",
        f"{_range(found['bytes'])} bytes each",
        f"{found['num_undecodable']:,} cannot be decoded",
    ]
    if found["num_beyond_limits"]:
        parts.append(f"{found['num_beyond_limits']:,} of these are too large to be")
    return "; ".join(parts)


def _texts(found: Mapping[str, Any]) -> str:
    personal = {kind: num for kind, num in found["personal_data"].items() if num}
    kinds = ", ".join(f"{kind.replace('_', ' ')} {num:,}" for kind, num in personal.items())
    return "; ".join(
        [
            f"{_range(found['num_words'])} words, {_range(found['num_characters'])} characters",
            f"{found['num_empty']:,} empty",
            f"{found['num_near_duplicates']:,} with the words of another",
            f"scripts {_counts(found['scripts'])}",
            f"personal data: {kinds or 'none found'}",
        ]
    )


def _counts(values: Sequence[Mapping[str, Any]]) -> str:
    """`PNG (11,990), JPEG (10)`."""
    return ", ".join(f"{one['value']} ({one['count']:,})" for one in values) or "none"


def _range(span: Mapping[str, Any]) -> str:
    if span["min"] is None:
        return "no"
    ends = [f"{span[end]:,.0f}" for end in ("min", "max")]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
