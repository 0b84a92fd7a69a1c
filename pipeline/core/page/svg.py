"""A figure as SVG text that stands inside a page: themed by its CSS, the same bytes on every run.

Colours are written as marks and then replaced by CSS variables, so that one plot reads in light
and in dark. Text stays text, in the page's font.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 4.2
"""Narrow, so that a plot that is shrunk to a telephone's width keeps its letters legible."""
INK, MUTED, LINE, MODEL, BASELINE, REFUSED, PAPER = (f"#0a0b0{i}" for i in range(1, 8))
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    MODEL: "var(--model)",
    BASELINE: "var(--baseline)",
    REFUSED: "var(--fail)",
    PAPER: "var(--paper)",
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hallmark",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "axes.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@contextmanager
def drawing(height_in: float, width_in: float = WIDTH_IN) -> "Iterator[tuple[Figure, Axes]]":
    """A figure with one pair of axes, in the page's style."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]  # its stubs name each key
        figure = Figure(figsize=(width_in, height_in))
        FigureCanvasSVG(figure)
        yield figure, figure.add_axes((0.0, 0.0, 1.0, 1.0))


def place(axes: "Axes", *, left: float, bottom: float, right: float, top: float) -> None:
    """Set margins in inches, so that they do not grow with the plot's height."""
    width, height = axes.get_figure().get_size_inches()  # type: ignore[union-attr]
    axes.set_position(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )


def as_svg(figure: "Figure", name: str, label: str) -> str:
    """The figure as an `<svg>` element: no header, ids of its own, colours from the page.

    Args:
        figure: What was drawn.
        name: Unique on the page; it starts every id.
        label: What the plot shows, for those who do not see it.
    """
    target = io.StringIO()
    figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)
    text = re.sub(r'font: ((?:\d+ )?[\d.]+px) [^;"]+', r"font: \1 var(--sans)", text)
    for mark, variable in VARIABLES.items():
        text = text.replace(mark, variable)
    box = re.search(r'viewBox="[^"]+"', text)
    opening = (
        f'<svg class="plot" {box.group(0) if box else ""} role="img" '
        f'aria-label="{escape(label)}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"^<svg[^>]*>", lambda _: opening, text, count=1).strip()
