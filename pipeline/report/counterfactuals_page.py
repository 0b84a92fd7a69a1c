"""The swapped words' part of the page: what its text needs. The text is beside it."""

from collections.abc import Mapping
from typing import Any

Entry = Mapping[str, Any]


def looked_at(entry: Entry, min_texts: int) -> str:
    """How many texts there were, and whether they are enough."""
    if entry["in_templates"]:
        return f"{entry['num_scored']} sentences written for this purpose."
    found = f"{entry['num_touched']:,} of {entry['num_rows']:,} test rows have such a word"
    if entry["num_touched"] < min_texts:
        return f"{found}; fewer than {min_texts} are too few to say something."
    if entry["num_scored"] < entry["num_touched"]:
        return f"{found}, of which {entry['num_scored']:,} were drawn."
    return f"{found}."


def unmoved(entry: Entry) -> str:
    """How many answers did not move at all: a network reads the beginning of a text alone."""
    num = entry["num_unmoved"]
    if not num:
        return ""
    if num == entry["num_scored"]:
        return "No answer moved: the network does not read these words, by a setting or its length."
    return (
        f"The answer to {num:,} of {entry['num_scored']:,} did not move at all; what stands beyond "
        "what the network reads cannot move it."
    )


def largest(entry: Entry) -> str:
    """The text whose answers lie furthest apart, without its words where they are somebody's."""
    one = entry["largest"]
    if not one or entry["num_unmoved"] == entry["num_scored"]:
        return ""
    which = f"“{one['template']}”" if one["template"] else f"row {one['row']}"
    return (
        f"Furthest apart: {one['output']} {one['value']:.3f} higher with words of the group "
        f"{one['to']} than of {one['from']}, in {which}."
    )
