"""How explanations are shown on the card, by the kind that a modality's `explanation` names."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.page import task_words
from pipeline.core.settings.columns import Columns

WITHHELD = "(withheld)"
NAME_OF = {"columns": "column", "picture": "region", "tokens": "token"}
"""The key in `ranking` that names what is ranked."""
BARS = {
    "regression": "A bar to the right raises the prediction, one to the left lowers it.",
    "multiclass": "A bar to the right speaks for the decided class, one to the left against it.",
    "binary": "A bar to the right speaks for the positive outcome, one to the left against it.",
}
FOR = {
    "regression": ("raises the prediction", "lowers it"),
    "multiclass": ("speaks for the decided class", "against it"),
    "binary": ("speaks for the positive outcome", "against it"),
}


def intro(found: Mapping[str, Any]) -> str:
    """What the ranking is of."""
    what = NAME_OF[found["kind"]]
    return (
        f"How much each {what} moved the predictions, on {found.get('num_rows', 0):,} test rows, "
        f"by {found.get('method', 'attribution')}. This says what the model used. It does not say "
        "what causes the outcome."
    )


def ranking_caption(kind: str, columns: Columns) -> str:
    of_kind = {
        "columns": "Mean strength of each column’s part in a prediction",
        "picture": "Mean strength of each region’s part in a prediction, by its place in the image",
        "tokens": "Mean strength of a token’s part in the predictions of texts that have it",
    }
    return f"{of_kind[kind]}, {task_words.unit(columns)}."


def cases_intro(kind: str, columns: Columns) -> str:
    """How the single cases are to be read."""
    order = task_words.cases(columns)
    if kind == "columns":
        return f"{order} {BARS[columns.task]} Sensitive columns of a case are not shown."
    up, down = FOR[columns.task]
    what = "What is red" if kind == "picture" else "A token on red"
    other = "what is blue" if kind == "picture" else "one on blue"
    return f"{order} {what} {up}, {other} {down}; the stronger the colour, the more."


def not_looked_for(kind: str) -> list[tuple[str, str]]:
    """What makes no sense, or was not done, for what is no table: a short name and a sentence."""
    if kind == "columns":
        return []
    what, places = {
        "picture": ("An image", "regions are places in the image, not things in it: what is there"),
        "tokens": ("A text", "tokens are pieces of words: what a passage means as a whole"),
    }[kind]
    return [
        (
            "Single columns",
            f"{what} is read as a whole: what a column by itself tells of groups or labels, and "
            "what the model reads where one has no value, does not arise.",
        ),
        ("What was seen", f"The {places} is for people to judge."),
    ]


def cases(
    kind: str, found: Sequence[Mapping[str, Any]], sensitive: Sequence[str]
) -> list[dict[str, Any]]:
    """Single predictions with what their kind needs to be drawn: lengths of bars or strengths of
    colours; sensitive values are out."""
    part = {"columns": "attributions", "tokens": "tokens"}.get(kind)
    if part is None:
        return [dict(case) for case in found]
    strengths = (abs(one["attribution"]) for case in found for one in case[part])
    whole = max(strengths, default=0.0)
    shown = []
    for case in found:
        lines = [
            {
                **one,
                "shown": signed(one["attribution"]),
                "length": round(50 * abs(one["attribution"]) / whole, 1) if whole else 0.0,
            }
            for one in case[part]
        ]
        for one in lines:
            if one.get("column") in sensitive:
                one["value"] = WITHHELD
        shown.append({**case, part: lines})
    return shown


def signed(value: float) -> str:
    """`+0.25`, `−0.25`, and `0.00` for what rounds to nothing."""
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"
