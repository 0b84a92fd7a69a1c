"""Which classes are taken for which: the card's matrix, and its largest cells in words."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.page import svg
from pipeline.core.page.svg import INK, MODEL, MUTED

MAX_DRAWN = 20
"""Classes of a matrix that can be read on paper."""
MAX_COUNTED = 12
"""Classes up to which each cell's number fits in."""
MAX_NAMED = 5
MAX_LABEL = 16
CELL_IN = 0.34

Confusion = Mapping[str, Any]


def draw(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """The matrix as SVG text, where there is one that can be read."""
    found = evaluation.get("confusion")
    if not found or len(found["classes"]) > MAX_DRAWN:
        return {}
    return {"confusion": _matrix(found)}


def worst(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The most frequent mistakes among the rows of a class, the largest share first."""
    found = evaluation.get("confusion")
    if not found:
        return []
    mistakes = [
        {"label": label, "decision": decision, "num_rows": count, "share": count / sum(counts)}
        for label, counts in zip(found["classes"], found["counts"], strict=True)
        for decision, count in zip(found["classes"], counts, strict=True)
        if label != decision and count
    ]
    mistakes.sort(key=lambda one: (-one["share"], one["label"], one["decision"]))
    return mistakes[:MAX_NAMED]


def _matrix(found: Confusion) -> str:
    names, counts = found["classes"], found["counts"]
    num = len(names)
    side = CELL_IN * num
    longest = max(len(name[:MAX_LABEL]) for name in names)
    margin = 0.3 + 0.085 * longest
    with svg.drawing(side + margin + 0.35, side + margin + 0.2) as (figure, axes):
        svg.place(axes, left=margin, bottom=margin + 0.15, right=0.1, top=0.1)
        for i, row in enumerate(counts):
            whole = sum(row) or 1
            for j, count in enumerate(row):
                share = count / whole
                axes.fill(
                    [j, j + 1, j + 1, j],
                    [i, i, i + 1, i + 1],
                    color=MODEL,
                    alpha=share,
                    linewidth=0,
                )
                if count and num <= MAX_COUNTED:
                    place, style = (j + 0.5, i + 0.5), "bold" if i == j else "normal"
                    axes.text(
                        *place, str(count), ha="center", va="center", fontsize=8, weight=style
                    )
        axes.set_xlim(0, num)
        axes.set_ylim(num, 0)
        shown = [name[:MAX_LABEL] for name in names]
        middle = [i + 0.5 for i in range(num)]
        axes.set_xticks(middle, shown, rotation=90, fontsize=9)
        axes.set_yticks(middle, shown, fontsize=9)
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(visible=False)
        axes.set_xlabel("decided")
        axes.set_ylabel("true")
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(MUTED)
        return svg.as_svg(figure, "confusion", _in_words(found))


def _in_words(found: Confusion) -> str:
    said = worst({"confusion": found})
    if not said:
        return "True classes by decided ones: no row is decided wrong."
    return "True classes by decided ones. The most frequent mistakes: " + "; ".join(
        f"{one['label']} taken for {one['decision']}, {one['share']:.1%}" for one in said
    )
