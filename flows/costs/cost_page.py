"""All costs as one HTML page that opens from a file: by stage, forecasts, savings, energy.

It stands beside the reports and not in them: a stage's output holds no seconds and no money. The
style is that of the model card.
"""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from flows.costs.all_costs import AllCosts, Sum, all_costs
from flows.costs.amounts import energy, money
from flows.costs.stage_costs import Cost
from flows.costs.trainings import Figure, Training
from pipeline.core.files import write_text
from pipeline.core.page import plots
from pipeline.core.page.style import style_sheet
from pipeline.core.paths import local_state

PAGE = "costs.html"
NUM_TRAININGS = 12
"""The newest ones are drawn and listed."""


def write(root: Path, target: Path | None = None) -> Path:
    """Write the page of what is on record now; `.local/costs.html` when no target is named."""
    page = target or local_state(root) / PAGE
    write_text(page, render(all_costs(root)))
    return page


def render(found: AllCosts) -> str:
    """The page's text."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(
        resources.files("flows.costs").joinpath("cost_page.html.j2").read_text(encoding="utf-8")
    )
    style = style_sheet()
    carbon = found.carbon_kg()
    return template.render(
        since=found.since,
        total=_row("all", found.total, found.currency),
        projects=[_row(name, one, found.currency) for name, one in found.projects.items()],
        stages=[_row(name, one, found.currency) for name, one in found.stages.items()],
        trainings=found.trainings[:NUM_TRAININGS],
        carbon=None if carbon is None else f"{1000 * carbon:.3g} g",
        plots={name: Markup(svg) for name, svg in drawn(found).items()},  # noqa: S704 -- ours
        style=Markup(style),  # noqa: S704 -- ours
    )


def _row(name: str, one: Sum, currency: str | None) -> dict[str, str | int]:
    return {
        "name": name,
        "num_builds": one.num_builds,
        "num_runs": one.num_runs,
        "spent": duration(one.spent.wall_s),
        "processor": duration(one.spent.cpu_s),
        "money": money(one.spent, currency),
        "energy": energy(one.spent) or "unknown",
        "saved": duration(one.saved.wall_s),
        "saved_money": money(one.saved, currency),
        "unknown": one.num_saved_unknown,
    }


def duration(seconds: float) -> str:
    """`43.0 s`, `69.0 min`, `30.1 h`."""
    for size, name in ((36_000, "h"), (600, "min")):
        if seconds >= size:
            return f"{seconds / (3600 if name == 'h' else 60):.1f} {name}"
    return f"{seconds:.1f} s"


def drawn(found: AllCosts) -> dict[str, str]:
    """The plots that there is something for."""
    pictures = {}
    for name, label, rows in _bars(found):
        if any(value for _, value in rows):
            pictures[name] = plots.bars(name, label, rows)
    if rows_of := [row for training in reversed(found.trainings[:NUM_TRAININGS])
                   if (row := _forecast_row(training))]:  # fmt: skip
        pictures["forecast"] = plots.intervals(
            "forecast", "Forecast and actual seconds of each training.", rows_of, start=0.0
        )
    return pictures


def _bars(found: AllCosts) -> Iterator[tuple[str, str, list[tuple[str, float]]]]:
    def of(sums: dict[str, Sum], value: str) -> list[tuple[str, float]]:
        return [(name, _value(getattr(one, value))) for name, one in sums.items()]

    yield "stages", "Seconds spent by stage.", of(found.stages, "spent")
    yield "saved", "Seconds that the cache saved, by stage.", of(found.stages, "saved")
    yield "projects", "Seconds spent by project.", of(found.projects, "spent")
    watt_hours = [(n, 1000 * (one.spent.energy_kwh or 0.0)) for n, one in found.stages.items()]
    yield "energy", "Watt-hours by stage.", watt_hours


def _value(cost: Cost) -> float:
    return cost.wall_s


def _forecast_row(training: Training) -> plots.Row | None:
    """The forecast with its range, and the actual as a point."""
    times = [one for one in training.figures if one.name == "time"]
    if not times:
        return None
    expected: Figure = times[0]
    actual = expected.actual
    return plots.Row(
        f"{training.project}, {training.num_passes:g} passes, {training.started[:16]}",
        {"value": expected.value, "low": expected.low, "high": expected.high},
        {"value": actual, "low": actual, "high": actual},
    )
