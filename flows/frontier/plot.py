"""The frontier as a plot: quality against the worst gap, with intervals, costs, and the limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.frontier.choice import Gap, Measured
from pipeline.core.page.svg import BASELINE, INK, MODEL, MUTED, PAPER, REFUSED, as_svg, drawing
from pipeline.core.page.svg import place as margins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN = 8.4, 5.6
_LETTER, _LINE = 5.6, 12.0
"""Width and height of small text, in points: near enough to keep labels apart."""
_OFFSETS = (
    (8, 5, "left"), (8, -14, "left"), (-8, 5, "right"), (-8, -14, "right"),
    (8, 18, "left"), (-8, 18, "right"), (8, -28, "left"), (-8, -28, "right"),
    (8, 32, "left"), (-8, 32, "right"), (8, -42, "left"), (-8, -42, "right"),
    (8, 46, "left"), (-8, 46, "right"), (8, -56, "left"), (-8, -56, "right"),
)  # fmt: skip


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The shared area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def draw(
    points: Sequence[Measured],
    *,
    front: Sequence[Measured],
    chosen: Measured | None,
    costs: Mapping[str, str],
    quality: str,
) -> str:
    """The plot as an `<svg>` element; points without a gap are left out.

    Args:
        points: Those measured.
        front: Those that no other beats, by growing gap.
        chosen: Marked, if there is one.
        costs: By a point's name, what is written beside it.
        quality: What the y axis shows.
    """
    shown = [point for point in points if point.gap is not None]
    label = f"{quality} against the worst gap of {len(shown)} points, with intervals"
    with drawing(HEIGHT_IN, WIDTH_IN) as (figure, axes):
        margins(axes, left=0.68, right=0.2, bottom=0.56, top=0.3)
        _axes(axes, shown, quality)
        steps = [(one.gap.span.value, one.quality.value) for one in front if one.gap]
        axes.plot(*zip(*steps, strict=True), color=BASELINE, linewidth=1.6, zorder=2)
        for point in shown:
            _cross(axes, point)
        for point in shown:
            _marker(axes, point, point is chosen)
        _labels(axes, shown, chosen, costs)
        return as_svg(figure, "frontier", label)


def _axes(axes: "Axes", shown: Sequence[Measured], quality: str) -> None:
    """Ends that hold all points, the limit, and its refused side."""
    from matplotlib.ticker import FuncFormatter

    gaps = [one.gap for one in shown if one.gap]
    is_share = any(gap.is_share for gap in gaps)
    right = max([1.08 if is_share else 0.0, *(_finite(gap) for gap in gaps)])
    low = min(one.quality.low for one in shown)
    high = max(one.quality.high for one in shown)
    room = 0.05 * (high - low or 1)
    axes.set_xlim(0, right * 1.04)
    axes.set_ylim(low - room, high + room)
    axes.tick_params(length=0)
    axes.set_ylabel(quality)
    if is_share:
        axes.set_xlabel("worst gap, as a share of its rule's limit")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        axes.axvspan(1, right * 1.04, color=REFUSED, alpha=0.08, linewidth=0)
        axes.axvline(1, color=INK, linestyle="--", linewidth=1.4)
        top = axes.get_xaxis_transform()
        axes.text(1, 1.015, "limit", transform=top, ha="center", va="bottom", color=INK)
    else:
        axes.set_xlabel("largest gap (the gate has no rule on one)")


def _finite(gap: Gap) -> float:
    """Where a gap's interval ends on the axis; what is beyond three limits is cut off."""
    return min(gap.span.high, 3.0) if gap.is_share else gap.span.high


def _cross(axes: "Axes", point: Measured) -> None:
    """Both intervals."""
    if point.gap is None:
        return
    x, y = point.gap.span, point.quality
    style: dict[str, Any] = {"color": MUTED, "linewidth": 0.9, "alpha": 0.55, "zorder": 1}
    axes.plot([x.low, _finite(point.gap)], [y.value, y.value], **style)
    axes.plot([x.value, x.value], [y.low, y.high], **style)


def _marker(axes: "Axes", point: Measured, is_chosen: bool) -> None:
    if point.gap is None:
        return
    axes.plot(
        [point.gap.span.value],
        [point.quality.value],
        marker="*" if is_chosen else "o",
        markersize=19 if is_chosen else 8.5,
        color=MODEL if point.would_pass or not point.rules else MUTED,
        markerfacecolor=MODEL if point.would_pass else PAPER,
        markeredgewidth=1.6,
        zorder=4 if is_chosen else 3,
    )


def _labels(
    axes: "Axes", shown: Sequence[Measured], chosen: Measured | None, costs: Mapping[str, str]
) -> None:
    """Each point's name and cost, where they cover least of what is there already."""
    places = {one.name: _in_points(axes, one) for one in shown}
    taken = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in places.values()]
    edge = _edge(axes)
    for point in sorted(shown, key=lambda one: (one is not chosen, not one.would_pass)):
        text = f"{point.name} · {costs[point.name]}" if costs.get(point.name) else point.name
        width = len(text) * _LETTER
        x, y = places[point.name]
        options = []
        for dx, dy, side in _OFFSETS:
            left = x + dx if side == "left" else x + dx - width
            box = Box(left, y + dy - 2, left + width, y + dy + _LINE - 2)
            outside = box.overlap(Box(-1e6, -1e6, 1e6, 1e6)) - box.overlap(edge)
            covered = sum(box.overlap(other) for other in taken) + 2 * outside
            options.append((covered + 0.02 * (abs(dx) + abs(dy)), dx, dy, side, box))
        _, dx, dy, side, box = min(options, key=lambda option: option[0])
        taken.append(box)
        if point.gap is None:
            continue
        far = abs(dy) > 20
        axes.annotate(
            text,
            (point.gap.span.value, point.quality.value),
            (dx, dy),
            textcoords="offset points",
            ha=side,
            fontsize=9.5,
            fontweight="bold" if point is chosen else "normal",
            color=INK if point.would_pass else MUTED,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6} if far else None,
            zorder=5,
        )


def _in_points(axes: "Axes", point: Measured) -> tuple[float, float]:
    x, y = point.gap.span.value if point.gap else 0.0, point.quality.value
    (left, bottom), (right, top) = axes.transAxes.transform([(0, 0), (1, 1)])
    low, high = axes.get_xlim(), axes.get_ylim()
    scale = 72 / axes.get_figure().dpi  # type: ignore[union-attr]
    return (
        scale * (left + (x - low[0]) / (low[1] - low[0]) * (right - left)),
        scale * (bottom + (y - high[0]) / (high[1] - high[0]) * (top - bottom)),
    )


def _edge(axes: "Axes") -> Box:
    scale = 72 / axes.get_figure().dpi  # type: ignore[union-attr]
    (left, bottom), (right, top) = axes.transAxes.transform([(0, 0), (1, 1)])
    return Box(*(scale * end for end in (left, bottom, right, top)))
