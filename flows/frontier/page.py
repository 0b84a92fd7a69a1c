"""A frontier as one HTML page that opens from a file: the plot, the choice, all points and rules.

The style is that of the model card.
"""

from importlib import resources
from pathlib import Path
from typing import Any

from flows.frontier.plot import draw
from flows.frontier.result import Frontier, as_json, short_cost
from pipeline.core.files import write_json, write_text
from pipeline.core.page import wording
from pipeline.core.page.formats import interval
from pipeline.core.page.style import style_sheet

PAGE, DATA = "frontier.html", "frontier.json"
SIGNS = {"pass": "✓", "fail": "✗", "insufficient": "?"}


def write(frontier: Frontier, folder: Path) -> Path:
    """Write the page and the same as JSON; return where the page is."""
    write_json(folder / DATA, as_json(frontier))
    write_text(folder / PAGE, render(frontier))
    return folder / PAGE


def render(frontier: Frontier) -> str:
    """The page's text."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(
        resources.files("flows.frontier").joinpath("page.html.j2").read_text(encoding="utf-8")
    )
    style = style_sheet()
    choice = frontier.choice
    return template.render(
        project=frontier.project,
        quality=frontier.quality.replace("_", " "),
        num_rows=f"{frontier.num_rows:,}",
        choice=choice,
        has_rules=any(point.rules for point in frontier.measured),
        assignments=frontier.chosen_assignments,
        rows=[_row(frontier, position) for position in range(len(frontier.traced.ended))],
        refused=frontier.traced.refused,
        num_evaluations=frontier.num_evaluations,
        num_rules_left=frontier.num_rules_left,
        count=wording.count,
        signs=SIGNS,
        plot=Markup(plot_of(frontier)),  # noqa: S704 -- ours
        style=Markup(style),  # noqa: S704 -- ours
    )


def plot_of(frontier: Frontier) -> str:
    """The plot as an `<svg>` element."""
    ended = frontier.traced.ended
    return draw(
        frontier.measured,
        front=frontier.front,
        chosen=frontier.choice.chosen,
        costs={one.point.name: short_cost(one.cost, None) for one in ended if one.cost},
        quality=frontier.quality.replace("_", " "),
    )


def _row(frontier: Frontier, position: int) -> dict[str, Any]:
    """One point as the table shows it."""
    ended = frontier.traced.ended[position]
    name = ended.point.name
    point = next((one for one in frontier.measured if one.name == name), None)
    gap = point.gap if point else None
    return {
        "name": name,
        "settings": ", ".join(ended.point.assignments) or "nothing changed",
        "message": ended.message,
        "origin": ended.origin,
        "cost": frontier.cost_text(name),
        "quality": interval(vars(point.quality)) if point else "–",
        "gap": gap_text(gap.span.value, gap.is_share) if gap else "–",
        "gap_at_most": gap_text(gap.span.high, gap.is_share) if gap else "–",
        "subject": gap.subject if gap else "",
        "rules": point.rules if point else (),
        "outcome": point.outcome if point and point.rules else "",
        "on_front": point is not None and point in frontier.front,
        "chosen": point is not None and point is frontier.choice.chosen,
    }


def gap_text(value: float, is_share: bool) -> str:
    """`61%` of a limit, or the gap itself, `0.061`."""
    if value > 1e9:
        return "∞"
    return f"{100 * value:.0f}%" if is_share else f"{value:.3f}"
