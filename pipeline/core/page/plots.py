"""The plots of pages, as SVG text: intervals, lengths and curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.core.page.svg import (
    BASELINE,
    INK,
    MODEL,
    MUTED,
    PAPER,
    REFUSED,
    WIDTH_IN,
    as_svg,
    drawing,
    place,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_LABEL = 46
Span = Mapping[str, float | None]


@dataclass(frozen=True)
class Row:
    """One line of an interval plot: a name, and value, low and high of the model and of others."""

    label: str
    model: Span | None
    baseline: Span | None = None
    faint: bool = False
    limit: float | None = None


def intervals(
    name: str,
    label: str,
    rows: Sequence[Row],
    *,
    limit: float | None = None,
    refused_above: bool | None = None,
    reference: tuple[float, str] | None = None,
    floor: float | None = None,
    start: float | None = None,
    percent: bool = False,
) -> str:
    """Values with their intervals, one below the other, each named above its line.

    Args:
        name: Unique on the page.
        label: What the plot shows, in words.
        rows: From top to bottom.
        limit: A rule's limit, drawn as a dashed line.
        refused_above: Which side of the limit is refused; None marks no side.
        reference: A value to compare with, and its name.
        floor: The noise floor, drawn as a dotted line.
        start: Where the axis starts at the latest; None starts it at the data.
        percent: Shows the axis in percent.
    """
    both = any(row.baseline for row in rows)
    headed = limit is not None or reference is not None or floor is not None
    step = 0.56 if both else 0.46
    with drawing(step * len(rows) + 0.42 + (0.22 if headed else 0.0)) as (figure, axes):
        place(axes, left=0.12, right=0.12, bottom=0.36, top=0.24 if headed else 0.04)
        marks = [mark for mark in (limit, floor, reference and reference[0]) if mark is not None]
        marks += [row.limit for row in rows if row.limit is not None]
        ends = _ends(rows, marks, start)
        for index, row in enumerate(rows):
            _interval_row(axes, len(rows) - 1 - index, row, both, ends)
        axes.set_xlim(*ends)
        axes.set_ylim(-0.55, len(rows) - 0.42)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        _marks(axes, ends, limit, refused_above, reference, floor)
        _ticks(axes, percent)
        return as_svg(figure, name, label)


def _ends(rows: Sequence[Row], marks: list[float], start: float | None) -> tuple[float, float]:
    """Both ends of the axis: all that is drawn, and a little room."""
    spans = [span for row in rows for span in (row.model, row.baseline) if span]
    ends = [span.get(key) for span in spans for key in ("value", "low", "high")]
    seen = [value for value in ends if value is not None] + marks
    seen = [value for value in seen if math.isfinite(value)] or [0.0, 1.0]
    if start is not None:
        seen.append(start)
    low, high = min(seen), max(seen)
    room = 0.06 * (high - low or 1.0)
    return (low if low == start else low - room), high + room


def _interval_row(axes: "Axes", y: int, row: Row, both: bool, ends: tuple[float, float]) -> None:
    name = row.label if len(row.label) <= MAX_LABEL else row.label[: MAX_LABEL - 1] + "…"
    left = ends[0]
    axes.text(
        left,
        y + (0.16 if both else 0.06),
        name,
        va="bottom",
        ha="left",
        color=MUTED if row.faint else INK,
    )
    if row.limit is not None:
        axes.plot([row.limit] * 2, [y - 0.4, y + 0.14], color=INK, linestyle="--", linewidth=1.4)
    drawn = [(row.model, MODEL, "o", 0.02 if both else -0.12)]
    drawn.append((row.baseline, BASELINE, "D", -0.24))
    for span, colour, marker, offset in drawn:
        if not span or span["value"] is None or span["low"] is None or span["high"] is None:
            continue
        hollow = row.faint or marker == "D"
        axes.plot(
            [span["low"], span["high"]],
            [y + offset] * 2,
            color=colour,
            linewidth=2.6 if marker == "o" else 1.8,
            solid_capstyle="round",
            alpha=0.55 if row.faint else 1.0,
            clip_on=False,
        )
        axes.plot(
            [span["value"]],
            [y + offset],
            marker=marker,
            markersize=6.5 if marker == "o" else 5,
            color=colour,
            markerfacecolor=PAPER if hollow else colour,
            clip_on=False,
        )


def _marks(
    axes: "Axes",
    ends: tuple[float, float],
    limit: float | None,
    refused_above: bool | None,
    reference: tuple[float, str] | None,
    floor: float | None,
) -> None:
    """The lines across all rows, each named above the plot, and the refused side's tint."""
    lines = []
    if limit is not None:
        lines.append((limit, f"limit {limit:g}", "--", INK))
        if refused_above is not None:
            far = ends[1] if refused_above else ends[0]
            axes.axvspan(limit, far, color=REFUSED, alpha=0.1, linewidth=0)
    if reference is not None:
        lines.append((*reference, "--", MUTED))
    if floor is not None:
        lines.append((floor, "noise", ":", MUTED))
    top = axes.get_ylim()[1]
    for x, text, style, colour in lines:
        share = (x - ends[0]) / (ends[1] - ends[0])
        side = "left" if share < 0.15 else "right" if share > 0.85 else "center"
        axes.axvline(x, color=colour, linestyle=style, linewidth=1.4)
        axes.text(x, top + 0.02, text, ha=side, va="bottom", fontsize=10.5, color=colour)


def _ticks(axes: "Axes", percent: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(length=0)
    if percent:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))


def _length(value: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.1f}%"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def bars(name: str, label: str, rows: Sequence[tuple[str, float]], *, percent: bool = False) -> str:
    """Lengths, one below the other, each named above its bar."""
    words = [_length(value, percent) for _, value in rows]
    with drawing(0.46 * len(rows) + 0.42) as (figure, axes):
        place(axes, left=0.12, right=0.1 * max([6, *map(len, words)]), bottom=0.36, top=0.04)
        for index, ((text, value), shown) in enumerate(zip(rows, words, strict=True)):
            y = len(rows) - 1 - index
            axes.barh([y - 0.18], [value], height=0.26, color=MODEL)
            axes.text(0, y + 0.03, text[:MAX_LABEL], va="bottom", ha="left")
            axes.annotate(
                shown,
                (value, y - 0.18),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=MUTED,
            )
        axes.set_ylim(-0.5, len(rows) - 0.4)
        axes.set_xlim(0, max([value for _, value in rows] or [1.0]) or 1.0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        _ticks(axes, percent)
        return as_svg(figure, name, label)


def lines(
    name: str,
    label: str,
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    at: tuple[float, str] | None = None,
    markers: bool = False,
) -> str:
    """One or two curves; `diagonal` adds what guessing gives and makes the plot square."""
    from matplotlib.ticker import MaxNLocator

    with drawing(WIDTH_IN - 0.2 if diagonal else 2.9) as (figure, axes):
        place(axes, left=0.74, right=0.14, bottom=0.52, top=0.26)
        styles: list[Any] = [(MODEL, "-", "o"), (BASELINE, "--", "D")]
        if diagonal:
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=":")
            axes.set_xlim(-0.01, 1.01)
            axes.set_ylim(-0.01, 1.01)
        for (text, x, y), (colour, style, marker) in zip(series, styles, strict=False):
            drawn = marker if markers or len(x) == 1 else None
            axes.plot(x, y, color=colour, linestyle=style, label=text, marker=drawn, markersize=6)
        if at is not None:
            axes.axvline(at[0], color=MUTED, linestyle=":", linewidth=1.4)
            low, high = axes.get_xlim()
            share = (at[0] - low) / (high - low)
            side = "left" if share < 0.15 else "right" if share > 0.85 else "center"
            axes.text(
                at[0], 1.01, at[1], transform=axes.get_xaxis_transform(), ha=side, color=MUTED
            )
        if all(float(number).is_integer() for _, x, _ in series for number in x):
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if len(series) > 1:
            axes.legend(loc="best")
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.tick_params(length=0)
        return as_svg(figure, name, label)
